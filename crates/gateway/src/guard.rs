//! Who is served at all: the checks before every request, in this order.
//!
//! 1. **Host**: a page that makes its own name point here (DNS rebinding) still names itself in
//!    `Host`; only addresses, `localhost` and the names that the operator listed are answered.
//! 2. **Origin**: other pages are served only if the operator lists their origin (CORS).
//! 3. **Rate**: each host beyond loopback has its share.
//! 4. **Token**, where there is one, compared in constant time; all but the page's own files and
//!    the health checks need it.
//! 5. **Length**: a body too long is refused before it is read.
//! 6. **Read-only** gateways refuse what stores or sends to addresses of the caller's choice.

use core::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::app::{App, Refused, Shared};
use crate::problem::Fault;

pub(crate) mod rate;

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote(pub(crate) SocketAddr);

/// Requests that a wrong token counts as, so that guessing is slow.
const WRONG_TOKEN_COST: u32 = 20;
/// How long a browser may keep the answer to a preflight, in seconds.
const PREFLIGHT_MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE");
const ALLOWED_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, if-match, if-none-match");
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("etag, location, retry-after, pkarr-dht-stored-nodes");
/// The page loads from here alone, and nothing may frame it.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Lets a request through, or refuses it; and gives every answer its headers.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let is_same = origin.as_ref().is_none_or(|origin| is_same_origin(origin, &request));
    let mut response = match check(&app, &request, is_same) {
        Ok(Pass::Preflight) => preflight(),
        Ok(Pass::Serve) => next.run(request).await,
        Err((why, fault)) => {
            app.counts.refuse(why);
            let mut response = fault.into_response();
            if why == Refused::Length {
                // What is left of the body is not worth reading.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            response
        }
    };
    app.counts.answer(response.status().as_u16());
    let foreign = origin.filter(|origin| !is_same && app.settings.allows_origin(origin));
    adorn(response.headers_mut(), foreign);
    response
}

enum Pass {
    Serve,
    Preflight,
}

fn check(app: &Shared, request: &Request, is_same: bool) -> Result<Pass, (Refused, Fault)> {
    let headers = request.headers();
    check_host(app, request).map_err(|fault| (Refused::Host, fault))?;
    check_origin(app, request, is_same).map_err(|fault| (Refused::Origin, fault))?;
    let remote = request.extensions().get::<Remote>().map(|remote| remote.0.ip());
    let host = remote.filter(|ip| !ip.to_canonical().is_loopback());
    if let Some(host) = host
        && !app.rates.allow(host, 1)
    {
        return Err((Refused::Rate, too_many()));
    }
    let asks_first = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() == Method::OPTIONS && asks_first {
        return Ok(Pass::Preflight);
    }
    if !is_public(request.uri().path()) {
        check_token(app, headers, host).map_err(|fault| (Refused::Token, fault))?;
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    let longest = app.limits().body_bytes;
    if length.is_some_and(|length| length > longest as u64) {
        return Err((Refused::Length, too_long(longest)));
    }
    if app.settings.read_only && acts(request) {
        let detail = "this gateway only reads: put through a node of your own";
        let fault = Fault::new(403, "read-only", "the gateway only reads", detail);
        return Err((Refused::ReadOnly, fault));
    }
    Ok(Pass::Serve)
}

/// A body beyond the limit.
pub(crate) fn too_long(limit: usize) -> Fault {
    let detail = format!("a body has at most {limit} bytes: shorten it");
    Fault::new(413, "body-too-long", "the body is too long", detail)
}

fn too_many() -> Fault {
    let detail = "too many requests from your address: wait a second";
    Fault::new(429, "too-many-requests", "too many requests", detail).retry_after(1)
}

/// What a page needs to load before it can ask for the token, and what supervisors ask.
fn is_public(path: &str) -> bool {
    crate::page::has(path) || matches!(path, "/healthz" | "/readyz")
}

/// Whether a request stores something, or makes the node send to an address the caller chose.
fn acts(request: &Request) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let sends = ["/v1/mainline/ping", "/v1/mainline/sample", "/v1/poly/ping"];
    !reads || sends.contains(&request.uri().path())
}

/// The host that a request names, port and all.
fn named_host(request: &Request) -> Option<&str> {
    let authority = request.uri().authority().map(Authority::as_str);
    let header = || request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    authority.or_else(header)
}

fn check_host(app: &Shared, request: &Request) -> Result<(), Fault> {
    let host = named_host(request).unwrap_or_default();
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_known = name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || app.settings.hosts.iter().any(|known| known.eq_ignore_ascii_case(name));
    if is_known {
        return Ok(());
    }
    let detail = "this gateway does not answer to that name: use its address, or list the name \
                  with --http-host";
    Err(Fault::new(421, "wrong-host", "not the host you named", detail))
}

fn is_same_origin(origin: &HeaderValue, request: &Request) -> bool {
    let Some(host) = named_host(request) else { return false };
    let origin = origin.to_str().unwrap_or_default();
    let named = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    named.is_some_and(|named| named.eq_ignore_ascii_case(host))
}

fn check_origin(app: &Shared, request: &Request, is_same: bool) -> Result<(), Fault> {
    let header =
        |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let any = app.settings.origins.iter().any(|origin| origin == "*");
    let is_listed = request
        .headers()
        .get(header::ORIGIN)
        .is_some_and(|origin| app.settings.allows_origin(origin));
    // What other pages load without asking first, images and scripts, names no origin.
    let is_embedded = header("sec-fetch-site") == Some("cross-site")
        && header("sec-fetch-mode").is_some_and(|mode| mode != "navigate")
        && !is_listed;
    if any || is_listed || (is_same && !is_embedded) {
        return Ok(());
    }
    let detail = "pages of other origins may not use this gateway: list the origin with \
                  --http-origin";
    Err(Fault::new(403, "wrong-origin", "not from that page", detail))
}

impl crate::settings::Settings {
    fn allows_origin(&self, origin: &HeaderValue) -> bool {
        let allows = |known: &String| known == "*" || known.as_bytes() == origin.as_bytes();
        self.origins.iter().any(allows)
    }
}

fn check_token(app: &Shared, headers: &HeaderMap, host: Option<IpAddr>) -> Result<(), Fault> {
    let Some(token) = &app.settings.token else { return Ok(()) };
    let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let given = given
        .and_then(|given| given.split_at_checked(7))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    // Takes as long however many bytes are right; that lengths differ may show.
    let is_right = given.is_some_and(|(_, given)| bool::from(given.ct_eq(token.as_bytes())));
    if is_right {
        return Ok(());
    }
    if let Some(host) = host {
        app.rates.allow(host, WRONG_TOKEN_COST);
    }
    let detail = if given.is_some() {
        "the token is wrong: read it from the file that --http-token-file names"
    } else {
        "send the token as `Authorization: Bearer TOKEN`"
    };
    Err(Fault::new(401, "unauthorized", "the token is missing or wrong", detail))
}

fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE);
    response
}

/// Headers of every answer.
fn adorn(headers: &mut HeaderMap, foreign: Option<HeaderValue>) {
    let text = HeaderValue::from_static;
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, text("nosniff"));
    headers.insert(header::REFERRER_POLICY, text("no-referrer"));
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY);
    headers.append(header::VARY, text("origin"));
    if let Some(origin) = foreign {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    } else {
        headers.insert("cross-origin-resource-policy", text("same-origin"));
    }
}
