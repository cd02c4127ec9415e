//! Errors as answers: problem documents (RFC 9457).

use axum::extract::FromRequestParts;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use client::http::problem::Problem;
use client::{AnnounceError, FindError, GetError, PingError, PutError, StatusError};
use serde::de::DeserializeOwned;

/// Why a request is not served.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) problem: Box<Problem>,
    retry_after: Option<u16>,
}

impl Fault {
    /// A fault of this kind; `name` stays as it is.
    pub(crate) fn new(status: u16, name: &str, title: &str, detail: impl Into<String>) -> Self {
        Problem::new(status, name, title, detail).into()
    }

    /// The request can't be understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "bad-request", "the request makes no sense", detail)
    }

    /// The operation took too long.
    pub(crate) fn late() -> Self {
        let detail = "no result in time: try again, or look at /v1/status whether the node has \
                      contacts";
        Self::new(504, "late", "it took too long", detail)
    }

    /// The same, with when to try again, in seconds.
    pub(crate) fn retry_after(mut self, seconds: u16) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let retry_after = (problem.status == 503).then_some(1);
        Self { problem: Box::new(problem), retry_after }
    }
}

macro_rules! from_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Problem::from(&error).into()
            }
        })*
    };
}

from_errors!(FindError, GetError, PutError, AnnounceError, PingError, StatusError);
from_errors!(client::poly::GetError, client::poly::PutError);

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The variable part of a path; what can't be read is a problem document too.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let fault = |rejection: PathRejection| Fault::bad_request(rejection.body_text());
        path.map(|path| Self(path.0)).map_err(fault)
    }
}

/// The variable parts of a path, where there are several.
pub(crate) struct Segments<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let fault = |rejection: PathRejection| Fault::bad_request(rejection.body_text());
        path.map(|path| Self(path.0)).map_err(fault)
    }
}

/// The parameters of a query; what can't be read is a problem document too.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let fault = |rejection: QueryRejection| Fault::bad_request(rejection.body_text());
        query.map(|query| Self(query.0)).map_err(fault)
    }
}
