//! What a simulator asks of a node: to fetch memory ahead, step by step, for what is to be asked
//! for is known only when something else has come (see [`kademlia::ahead`]).

use kademlia::Key;
use kademlia::ahead::fetch;

use super::Node;
use crate::contact::Peer;
use crate::store::Store;
use crate::wire::{Ask, Message};

impl<S: Store> Node<S> {
    /// Asks for what almost every turn of this node reads.
    pub fn prefetch(&self) {
        self.overlay.prefetch();
        self.known.prefetch();
        fetch(&self.settings.id);
        fetch(&self.rng);
        fetch(&self.limiter);
        fetch(&self.outbox);
        fetch(&self.events);
        fetch(&self.errands);
        fetch(&self.operations);
        fetch(&self.due);
        fetch(&self.sweep_at);
        fetch(&self.scratch);
        fetch(&self.repair);
        fetch(&self.reach);
        fetch(&self.counters);
        fetch(&self.counters.heard);
    }

    /// Asks for what a message needs besides, once what [`Node::prefetch`] asked for has come.
    pub fn prefetch_for_message(&self, from: &Peer, message: &[u8]) {
        let from = from.contact();
        self.overlay.table().prefetch_place(&from);
        self.known.prefetch_drawer(&from.key);
        match Message::decode(message) {
            Ok(Message::Request(request)) => {
                self.limiter.prefetch();
                if let Some(target) = target_of(&request.ask) {
                    self.known.prefetch_drawer(target);
                }
            }
            Ok(Message::Answer(answer)) => {
                self.overlay.prefetch_work();
                for contact in answer.contacts.iter() {
                    self.known.prefetch_drawer(&contact.key);
                }
            }
            Ok(Message::Refusal(_)) | Err(_) => self.overlay.prefetch_work(),
        }
    }

    /// Asks for what that points to, once what [`Node::prefetch_for_message`] asked for has come.
    pub fn prefetch_consequences(&self, from: &Peer, message: &[u8]) {
        let from = from.contact();
        self.known.prefetch_contacts(&from.key);
        match Message::decode(message) {
            Ok(Message::Request(request)) => {
                if let Some(target) = target_of(&request.ask) {
                    self.known.prefetch_closest(target);
                }
            }
            Ok(Message::Answer(answer)) => {
                self.overlay.table().prefetch_for_answer(&from);
                self.overlay.prefetch_lookup();
                for contact in answer.contacts.iter() {
                    self.known.prefetch_contacts(&contact.key);
                }
            }
            Ok(Message::Refusal(_)) | Err(_) => {}
        }
    }

    /// Asks for what a timeout needs besides, once what [`Node::prefetch`] asked for has come.
    pub fn prefetch_for_timeout(&self) {
        self.overlay.prefetch_work();
    }

    /// Asks for what a request that is overdue changes, once what [`Node::prefetch_for_timeout`]
    /// asked for has come.
    pub fn prefetch_overdue(&self) {
        self.overlay.prefetch_lookup();
    }
}

/// What the answer names the closest contacts to.
fn target_of<'a>(ask: &'a Ask<'_>) -> Option<&'a Key> {
    if let Ask::Find { target, .. } | Ask::Get { target, .. } = ask { Some(target) } else { None }
}
