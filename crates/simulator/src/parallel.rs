//! Runs on several cores. The one place of this crate with threads.
//!
//! Runs share nothing, so the results are the same on any number of cores; they come back in the
//! order of the jobs.
#![expect(clippy::disallowed_types, reason = "workers take jobs from one list")]

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::mpsc;

/// What workers tell.
enum Told<R, P> {
    Progress(P),
    Done(usize, R),
}

/// Does all jobs, on at most `threads` threads, and tells of the progress on this one.
pub(crate) fn map<J: Send, R: Send, P: Send>(
    jobs: Vec<J>,
    threads: NonZeroUsize,
    work: impl Fn(J, &mut dyn FnMut(P)) -> R + Sync,
    progress: &mut dyn FnMut(P),
) -> Vec<R> {
    let count = jobs.len();
    if threads.get() == 1 || count == 1 {
        return jobs.into_iter().map(|job| work(job, progress)).collect();
    }
    let jobs = Mutex::new(jobs.into_iter().enumerate());
    let (tell, told) = mpsc::channel();
    let mut results: Vec<Option<R>> = Vec::new();
    results.resize_with(count, || None);
    std::thread::scope(|scope| {
        for _ in 0..threads.get().min(count) {
            let (tell, jobs, work) = (tell.clone(), &jobs, &work);
            scope.spawn(move || {
                loop {
                    let job = jobs.lock().ok().and_then(|mut jobs| jobs.next());
                    let Some((index, job)) = job else { return };
                    let result = work(job, &mut |p| {
                        // Nobody listens only if the whole has been given up.
                        let _ = tell.send(Told::Progress(p));
                    });
                    if tell.send(Told::Done(index, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        for told in told {
            match told {
                Told::Progress(p) => progress(p),
                Told::Done(index, result) => {
                    if let Some(place) = results.get_mut(index) {
                        *place = Some(result);
                    }
                }
            }
        }
    });
    results.into_iter().flatten().collect()
}
