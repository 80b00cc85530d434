//! Trained networks out of the program's own bytes, each call on one thread.

use std::sync::Arc;

use rten::{Model, RunOptions, ThreadPool, Value};
use rten_tensor::Tensor;

use crate::MediaError;

/// A network.
pub(crate) struct Net(Model);

/// The thread that one sound's networks run on.
///
/// It is the sound's own: those that are heard side by side do not wait for each other, and sums come out in one order.
pub(crate) struct Thread(RunOptions);

impl Thread {
    /// Starts a thread.
    pub(crate) fn new() -> Thread {
        let pool = Arc::new(ThreadPool::with_num_threads(1));
        Thread(RunOptions::default().with_thread_pool(Some(pool)))
    }
}

impl Net {
    /// Reads a network in ONNX format. Only within [`alone`].
    pub(crate) fn new(bytes: &'static [u8]) -> Result<Net, MediaError> {
        Model::load_static_slice(bytes).map(Net).map_err(broken)
    }

    /// Runs it: values by their names in, values by their names out. Only within [`alone`].
    pub(crate) fn run<const N: usize>(
        &self,
        thread: &Thread,
        inputs: Vec<(&str, Value)>,
        outputs: [&str; N],
    ) -> Result<[Value; N], MediaError> {
        let mut named = Vec::with_capacity(inputs.len());
        for (name, value) in inputs {
            named.push((self.0.node_id(name).map_err(broken)?, value.into()));
        }
        let mut ids = Vec::with_capacity(N);
        for name in outputs {
            ids.push(self.0.node_id(name).map_err(broken)?);
        }
        let results = self.0.run(named, &ids, Some(thread.0.clone())).map_err(broken)?;
        results.try_into().map_err(|_| MediaError::Unsupported("a network answered with too little".into()))
    }
}

/// Does work with networks on a thread that has nothing else to do.
///
/// `rten` hands work to threads of `rayon` and waits. A thread of `rayon` that waits takes up other work meanwhile: the next
/// clip, which would wait for the very network that this one is reading, or be finished in the midst of it.
pub(crate) fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let done = std::thread::scope(|scope| scope.spawn(work).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The numbers in a value, in the order of its shape.
pub(crate) fn numbers(value: Value) -> Result<Vec<f32>, MediaError> {
    let tensor: Tensor<f32> = value.try_into().map_err(broken)?;
    Ok(tensor.into_data())
}

fn broken(error: impl std::fmt::Display) -> MediaError {
    MediaError::Unsupported(format!("a network cannot be run: {error}"))
}
