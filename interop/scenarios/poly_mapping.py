"""A node behind a gateway has its port mapped, keeps it so, and gives it back when it stops.

The gateway is this scenario: first one that speaks NAT-PMP (RFC 6886), then one that speaks UPnP
alone.
"""

import http.server
import re
import signal
import socket
import struct
import threading

from places import Place, make_bridge

LIMIT_SECONDS = 120
ADDRESSES = []
GATEWAY = "192.168.77.1"
SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"
DEVICE = f"""<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType>
<serviceList><service><serviceType>{SERVICE}</serviceType>
<controlURL>/control</controlURL><SCPDURL>/actions.xml</SCPDURL></service></serviceList>
</device></deviceList></device></deviceList></device></root>"""


def arguments(*names):
    one = "<argument><name>{}</name><direction>in</direction></argument>"
    return "<argumentList>" + "".join(one.format(name) for name in names) + "</argumentList>"


REMOTE = ("NewRemoteHost", "NewExternalPort", "NewProtocol")
INSIDE = ("NewInternalPort", "NewInternalClient", "NewEnabled", "NewPortMappingDescription")
ADD = arguments(*REMOTE, *INSIDE, "NewLeaseDuration")
ACTIONS = f"""<?xml version="1.0"?><scpd xmlns="urn:schemas-upnp-org:service-1-0"><actionList>
<action><name>AddPortMapping</name>{ADD}</action>
<action><name>DeletePortMapping</name>{arguments(*REMOTE)}</action></actionList></scpd>"""


class NatPmp(threading.Thread):
    """Maps any port for three seconds."""

    def __init__(self):
        super().__init__(daemon=True)
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((GATEWAY, 5351))
        self.start()

    def run(self):
        try:
            while True:
                request, client = self.socket.recvfrom(1100)
                self.socket.sendto(self.answer(request), client)
        except OSError:
            return

    def answer(self, request):
        if request[0] != 0:
            return struct.pack("!BBHI", 0, 128, 1, 9)
        port, _, lifetime = struct.unpack("!HHI", request[4:12])
        self.asked.append((request[1], port, lifetime))
        head = struct.pack("!BBHI", 0, 128 + request[1], 0, 9)
        return head + struct.pack("!HHI", port, port if lifetime else 0, min(lifetime, 3))


class Upnp(http.server.BaseHTTPRequestHandler):
    """An Internet Gateway Device."""

    asked = []

    def do_GET(self):
        self.reply(ACTIONS if self.path == "/actions.xml" else DEVICE)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        action = self.headers["SOAPAction"].strip('"').split("#")[1]
        field = lambda name: (re.search(f"<{name}>([^<]*)<", body) or ["", ""])[1]
        port = field("NewExternalPort")
        self.asked.append((action, port, field("NewInternalClient"), field("NewProtocol")))
        self.reply(
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            f'<u:{action}Response xmlns:u="{SERVICE}"/></s:Body></s:Envelope>'
        )

    def reply(self, text):
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def hear_searches():
    """Where searches for devices arrive."""
    searches = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    searches.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    searches.bind(("", 1900))
    group = socket.inet_aton("239.255.255.250") + socket.inet_aton(GATEWAY)
    searches.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    return searches


def answer(searches):
    """Says where the device is described to whoever searches for one."""
    while True:
        search, client = searches.recvfrom(2000)
        if search.startswith(b"M-SEARCH") and b"InternetGatewayDevice" in search:
            location = f"LOCATION: http://{GATEWAY}:5000/root.xml\r\n"
            searches.sendto(f"HTTP/1.1 200 OK\r\n{location}\r\n".encode(), client)


def run(context):
    make_bridge(f"{GATEWAY}/24")
    gateway = NatPmp()
    place = Place(context, "behind-nat-pmp", "192.168.77.2/24", GATEWAY)
    place.serve("--no-mdns")
    mapped = context.wait_until(lambda: (1, 7654, 3600) in gateway.asked, 20)
    context.require("NAT-PMP is asked for the UDP port", mapped, str(gateway.asked))
    told = context.wait_until(lambda: "port 7654" in place.run("status").text, 10)
    context.check("the status tells of it", told, place.run("status"))
    again = context.wait_until(lambda: len(gateway.asked) >= 4, 20)
    context.check("it is renewed before its three seconds end", again, len(gateway.asked))
    stop(context, place)
    context.equal("and given back", gateway.asked[-1], (1, 7654, 0))
    gateway.socket.close()

    threading.Thread(target=answer, args=[hear_searches()], daemon=True).start()
    server = http.server.ThreadingHTTPServer((GATEWAY, 5000), Upnp)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = Place(context, "behind-upnp", "192.168.77.3/24", GATEWAY)
    place.serve("--no-mdns")
    wanted = ("AddPortMapping", "7654", "192.168.77.3", "UDP")
    mapped = context.wait_until(lambda: wanted in Upnp.asked, 40)
    context.require("UPnP is asked where nobody speaks NAT-PMP", mapped, str(Upnp.asked))
    stop(context, place)
    context.equal("and given back", Upnp.asked[-1][:2], ("DeletePortMapping", "7654"))

    asked = len(Upnp.asked)
    place = Place(context, "unmapped", "192.168.77.4/24", GATEWAY)
    place.serve("--no-mdns", "--no-port-mapping")
    context.require("a node that wants none serves", context.wait_until(place.id, 20))
    context.wait_until(lambda: len(Upnp.asked) > asked, 8)
    context.equal("and asks nobody", len(Upnp.asked), asked)


def stop(context, place):
    place.process.send_signal(signal.SIGTERM)
    ended = context.wait_until(lambda: place.process.poll() is not None, 20)
    context.check("the node stops", ended)
