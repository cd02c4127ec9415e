//! A configuration file that documents itself: what `polykad config init` writes.

/// Every setting with its default, its meaning and its variable of the environment. All settings
/// are commented out: as it is, the file changes nothing.
pub const TEMPLATE: &str = r#"# Settings of `polykad serve --config FILE`.
#
# Lines that begin with `#` are comments; what is commented out shows the default. Flags go before
# the environment, and the environment before this file. A mistake is told with its line.

# The networks to take part in, side by side in one process: Polykad's own, and BitTorrent's
# Mainline DHT. Environment: POLYKAD_NETWORKS. Flag: --network.
#networks = ["poly", "mainline"]

# UDP addresses to listen on, one of each family at most. Without it: port 6881 of both. Poly
# listens on the same addresses at a port of its own, unless it is the only network.
# Environment: POLYKAD_LISTEN. Flag: --listen.
#listen = ["0.0.0.0:6881", "[::]:6881"]

# Nodes to join through, ADDRESS:PORT or HOST:PORT, beside the public routers.
# Environment: POLYKAD_BOOTSTRAP. Flag: --bootstrap.
#bootstrap = []

# Join only through `bootstrap` and the contacts of earlier runs: for a network of your own.
# Environment: POLYKAD_NO_DEFAULT_BOOTSTRAP. Flag: --no-default-bootstrap.
#no_default_bootstrap = false

# Folder for identity, contacts and stored values; made if missing. Without it all is forgotten
# when the node stops. Environment: POLYKAD_DATA. Flag: --data.
#data = "/var/lib/polykad"

# Ask, but never answer (BEP 43): for a node that others can't reach.
# Environment: POLYKAD_READ_ONLY. Flag: --read-only.
#read_only = false

# How long an operation may take, in milliseconds; then it ends with what it has.
# Environment: POLYKAD_DEADLINE_MS.
#deadline_ms = 30000

# Answer every query, however many one address sends. For load tests only.
# Environment: POLYKAD_NO_RATE_LIMIT. Flag: --no-rate-limit.
#no_rate_limit = false

# SIGHUP makes a running daemon read this file again; what is below [rate_limit] and [http.limits]
# counts from then on, the rest from its next start on.

# How much one host or subnet may ask on Mainline.
# Environment: POLYKAD_RATE_LIMIT_ and the name in capitals.
[rate_limit]
# Queries a second that one host may go on asking, and at once after a pause.
#per_host_per_second = 20
#host_burst = 200
# The same for all hosts of a subnet together: a /24 of IPv4, a /64 of IPv6.
#per_subnet_per_second = 80
#subnet_burst = 800

# Polykad's own network. Environment: POLYKAD_POLY_ and the name in capitals.
[poly]
# UDP addresses to listen on. Flag: --poly-listen.
#listen = ["0.0.0.0:7654", "[::]:7654"]

# Nodes to join through, ADDRESS:PORT or HOST:PORT. Flag: --poly-bootstrap.
#bootstrap = []

# The network's name: nodes of differently named ones do not understand each other.
# Flag: --poly-name.
#name = "polykad"

# File with a private network's key, 64 hexadecimal digits: who does not have it gets no byte.
# Flag: --poly-key-file.
#key_file = "/etc/polykad/network.key"

# Find other nodes on the local network by multicast DNS, and be found there. Flag: --no-mdns.
#mdns = true

# Find other nodes over Mainline, if the daemon takes part in it too: announce poly's port there
# under an info-hash made of the network's name and key. Flag: --no-rendezvous.
#rendezvous = true

# Ask the gateway for a port that leads to the node's, by PCP, NAT-PMP or UPnP, and give it back at
# the end. Flag: --no-port-mapping.
#port_mapping = true

# The HTTP side: API, dashboard, metrics.
[http]
# TCP address to serve at; without one it is this, if that is free.
# Environment: POLYKAD_HTTP. Flag: --http.
#listen = "127.0.0.1:6880"

# Serve nothing. Environment: POLYKAD_NO_HTTP. Flag: --no-http.
#off = false

# File with the token that requests must send; made if missing. Needed to serve beyond loopback.
# Environment: POLYKAD_HTTP_TOKEN_FILE. Flag: --http-token-file.
#token_file = "/var/lib/polykad/http.token"

# Serve everybody beyond loopback without a token.
# Environment: POLYKAD_HTTP_INSECURE. Flag: --http-insecure.
#insecure = false

# Host names that requests may name, beside `localhost` and addresses: those of a proxy before the
# daemon. Environment: POLYKAD_HTTP_HOSTS. Flag: --http-host.
#hosts = []

# Origins of other pages that may use the API, such as "https://app.example"; "*": all.
# Environment: POLYKAD_HTTP_ORIGINS. Flag: --http-origin.
#origins = []

# Answer what reads alone: for gateways open to the public.
# Environment: POLYKAD_HTTP_READ_ONLY. Flag: --http-read-only.
#read_only = false

# What all together may use of it. Environment: POLYKAD_HTTP_ and the name in capitals.
[http.limits]
# Connections open at once, and those of one host beyond loopback; for a new one the one idle for
# longest is closed.
#connections = 512
#connections_per_host = 64
# Lookups, puts and the like under way at once.
#operations = 256
# Streams that hang on at once: live status, watches, announcements.
#streams = 256
# Requests a second that one host beyond loopback may go on making, and at once after a pause.
#requests_per_second = 50
#burst = 200
"#;

#[cfg(test)]
mod tests;
