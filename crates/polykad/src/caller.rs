//! Calls into a running node: from whoever awaits an operation to the task that owns the node.
//!
//! The same for all networks. Each has its own requests; what they share is [`Asks`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use client::{AnnounceError, FindError, GetError, PingError, PutError, StatusError};
use tokio::sync::{oneshot, watch};

use crate::driver::{Handle, Stopped};

/// Requests that can begin and cancel an operation.
pub(crate) trait Asks: Send + 'static {
    /// What the node is asked.
    type Command: Send + 'static;
    /// Who waits for it.
    type Waiter: Send + 'static;

    /// Begins an operation, which `ticket` names from the outside.
    fn run(ticket: u64, command: Self::Command, waiter: Self::Waiter) -> Self;
    /// Nobody waits for it any more.
    fn cancel(ticket: u64) -> Self;
}

/// The way to a running node; cheap to clone.
#[derive(Debug)]
pub(crate) struct Caller<R> {
    handle: Handle<R>,
    tickets: Arc<AtomicU64>,
    /// Whether the node has joined, or has nobody to join through.
    joined: watch::Receiver<bool>,
    /// Where what lives longer than a call lives.
    runtime: tokio::runtime::Handle,
}

impl<R> Clone for Caller<R> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            tickets: Arc::clone(&self.tickets),
            joined: self.joined.clone(),
            runtime: self.runtime.clone(),
        }
    }
}

/// Cancels an operation when nobody waits for it any more.
pub(crate) struct Ticket<R: Asks> {
    number: u64,
    handle: Handle<R>,
    ended: bool,
}

impl<R: Asks> Ticket<R> {
    /// The operation has ended: there is nothing to cancel.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }
}

impl<R: Asks> Drop for Ticket<R> {
    fn drop(&mut self) {
        if !self.ended {
            // An error means that the node has stopped, and the operation with it.
            let _ = self.handle.send_urgent(R::cancel(self.number));
        }
    }
}

impl<R: Asks> Caller<R> {
    /// Must be called within the runtime that the node runs on.
    pub(crate) fn new(handle: Handle<R>, joined: watch::Receiver<bool>) -> Self {
        Self { handle, tickets: Arc::default(), joined, runtime: tokio::runtime::Handle::current() }
    }

    pub(crate) fn handle(&self) -> &Handle<R> {
        &self.handle
    }

    pub(crate) fn runtime(&self) -> &tokio::runtime::Handle {
        &self.runtime
    }

    /// Begins an operation. It is cancelled when the returned ticket is dropped.
    pub(crate) async fn run(
        &self,
        command: R::Command,
        waiter: R::Waiter,
    ) -> Result<Ticket<R>, Stopped> {
        let number = self.tickets.fetch_add(1, Ordering::Relaxed);
        let ticket = Ticket { number, handle: self.handle.clone(), ended: false };
        self.handle.send(R::run(number, command, waiter)).await?;
        Ok(ticket)
    }

    /// Waits until the node has joined: before that it would know nobody to ask.
    pub(crate) async fn joined(&self) -> Result<(), Stopped> {
        let mut joined = self.joined.clone();
        let joined = joined.wait_for(|joined| *joined).await;
        joined.map(drop).map_err(|_| Stopped)
    }

    /// Begins an operation with one answer, and waits for it.
    pub(crate) async fn ask<T, E: From<Stopped>>(
        &self,
        command: R::Command,
        waiter: impl FnOnce(oneshot::Sender<Result<T, E>>) -> R::Waiter,
    ) -> Result<T, E> {
        let (sender, receiver) = oneshot::channel();
        let mut ticket = self.run(command, waiter(sender)).await?;
        let answer = receiver.await;
        ticket.end();
        answer.unwrap_or_else(|_| Err(Stopped.into()))
    }

    /// Like `ask`, of the network as a whole.
    pub(crate) async fn look<T, E: From<Stopped>>(
        &self,
        command: R::Command,
        waiter: impl FnOnce(oneshot::Sender<Result<T, E>>) -> R::Waiter,
    ) -> Result<T, E> {
        self.joined().await?;
        self.ask(command, waiter).await
    }

    /// Looks at the node as it is now.
    pub(crate) async fn look_at<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> R,
    ) -> Result<T, Stopped> {
        let (sender, receiver) = oneshot::channel();
        self.handle.send(request(sender)).await?;
        receiver.await.map_err(|_| Stopped)
    }
}

impl From<Stopped> for FindError {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<Stopped> for GetError {
    fn from(Stopped: Stopped) -> Self {
        Self::Find(FindError::Stopped)
    }
}

impl From<Stopped> for PutError {
    fn from(Stopped: Stopped) -> Self {
        Self::Find(FindError::Stopped)
    }
}

impl From<Stopped> for PingError {
    fn from(Stopped: Stopped) -> Self {
        Self::Find(FindError::Stopped)
    }
}

impl From<Stopped> for AnnounceError {
    fn from(Stopped: Stopped) -> Self {
        Self::Find(FindError::Stopped)
    }
}

impl From<Stopped> for StatusError {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<Stopped> for client::poly::PutError {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<Stopped> for client::poly::GetError {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}
