//! Streams out of async functions: what those who implement the traits make searches of.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream;

/// The stream of what `step` returns, called again and again on the state it returns.
pub fn unfold<S, T, F, Fut>(state: S, step: F) -> impl Stream<Item = T> + Send + use<S, T, F, Fut>
where
    S: Send + 'static,
    F: Fn(S) -> Fut + Send + 'static,
    Fut: Future<Output = Option<(T, S)>> + Send + 'static,
{
    let next = Some(Box::pin(step(state)));
    Unfold { step, next }
}

struct Unfold<F, Fut> {
    step: F,
    /// `None` after the end.
    next: Option<Pin<Box<Fut>>>,
}

// Nothing is pinned but what is in the box.
impl<F, Fut> Unpin for Unfold<F, Fut> {}

impl<S, T, F, Fut> Stream for Unfold<F, Fut>
where
    F: Fn(S) -> Fut,
    Fut: Future<Output = Option<(T, S)>>,
{
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let Some((item, state)) = ready!(next.as_mut().poll(context)) else {
            self.next = None;
            return Poll::Ready(None);
        };
        let future = (self.step)(state);
        next_in(&mut self.next, future);
        Poll::Ready(Some(item))
    }
}

/// Puts the next future into the box of the last.
fn next_in<Fut>(place: &mut Option<Pin<Box<Fut>>>, future: Fut) {
    match place {
        Some(boxed) => boxed.set(future),
        None => *place = Some(Box::pin(future)),
    }
}
