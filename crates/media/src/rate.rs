//! Sound of any rate brought to 48 kHz block by block, or made 1001/1000 as long.

use audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler};
use seedpost_core::time::SampleRate;

use crate::MediaError;
use crate::decode::Sink;

/// Samples that are converted at once: a multiple of 147 by an even number, so that the resampler's own lead is whole
/// samples at the rates of records too.
const CHUNK: usize = 1176;
/// Samples that are made longer at once: a multiple of 1000 by an even number, for the same reason.
const SLOW_CHUNK: usize = 4000;
/// Samples that each second at 48 kHz becomes when it lasts 1001/1000 as long.
const SLOW: u32 = 48_048;

/// Converts to 48 kHz; sound at 48 kHz passes as it is.
pub(crate) struct To48 {
    resampler: Option<Fft<f32>>,
    rate: SampleRate,
    /// Samples that each second becomes.
    hertz: u32,
    channels: usize,
    waiting: Vec<Vec<f32>>,
    /// Samples of the resampler's own lead that are still to be dropped.
    lead: usize,
    /// Samples that came in.
    taken: u64,
    /// Samples that went out.
    given: u64,
}

impl To48 {
    pub(crate) fn new(rate: SampleRate, channels: usize) -> Result<To48, MediaError> {
        To48::becoming(SampleRate::HZ_48000.hertz(), rate, CHUNK, channels)
    }

    /// Makes sound at 48 kHz 1001/1000 as long, and as much lower. What is heard at time 0 stays there.
    pub(crate) fn slow(channels: usize) -> Result<To48, MediaError> {
        To48::becoming(SLOW, SampleRate::HZ_48000, SLOW_CHUNK, channels)
    }

    fn becoming(hertz: u32, rate: SampleRate, chunk: usize, channels: usize) -> Result<To48, MediaError> {
        let mut resampler = None;
        let mut lead = 0;
        if rate.hertz() != hertz {
            let made = Fft::<f32>::new(rate.hertz() as usize, hertz as usize, chunk, channels, FixedSync::Both);
            let made = made.map_err(|error| failed(rate, &error))?;
            lead = made.output_delay();
            resampler = Some(made);
        }
        Ok(To48 { resampler, rate, hertz, channels, waiting: vec![Vec::new(); channels], lead, taken: 0, given: 0 })
    }

    /// Takes a block; hands over what is ready.
    pub(crate) fn add(&mut self, block: &[&[f32]], sink: Sink<'_>) -> Result<(), MediaError> {
        if self.resampler.is_none() {
            return sink(block);
        }
        if block.len() != self.channels {
            return Err(MediaError::Unsupported("sound whose number of channels changes".to_owned()));
        }
        self.taken += block.first().map_or(0, |plane| plane.len()) as u64;
        self.waiting.iter_mut().zip(block).for_each(|(waiting, plane)| waiting.extend_from_slice(plane));
        self.convert(sink)
    }

    /// Hands over the rest: together as long as what came in, to the nearest sample.
    pub(crate) fn end(mut self, sink: Sink<'_>) -> Result<(), MediaError> {
        if self.resampler.is_none() {
            return Ok(());
        }
        let wanted = u128::from(self.taken) * u128::from(self.hertz);
        let wanted = seedpost_core::time::Rounding::Nearest.divide(wanted, self.rate.hertz().into()).unwrap_or(0);
        while self.given < wanted {
            let left = wanted - self.given;
            self.waiting.iter_mut().for_each(|waiting| waiting.resize(waiting.len() + CHUNK, 0.0));
            self.convert(&mut |block| {
                let length = block.first().map_or(0, |plane| plane.len());
                let length = usize::try_from(left).map_or(length, |left| left.min(length));
                let block: Vec<&[f32]> = block.iter().filter_map(|plane| plane.get(..length)).collect();
                sink(&block)
            })?;
        }
        Ok(())
    }

    fn convert(&mut self, sink: Sink<'_>) -> Result<(), MediaError> {
        let Some(resampler) = &mut self.resampler else { return Ok(()) };
        let needed = resampler.input_frames_next();
        while self.waiting.first().is_some_and(|waiting| waiting.len() >= needed) {
            let input = SequentialSliceOfVecs::new(&self.waiting, self.channels, needed);
            let input = input.map_err(|error| failed(self.rate, &error))?;
            let output = resampler.process(&input, None).map_err(|error| failed(self.rate, &error))?.take_data();
            self.waiting.iter_mut().for_each(|waiting| drop(waiting.drain(..needed)));
            let frames = output.len() / self.channels.max(1);
            let skip = self.lead.min(frames);
            self.lead -= skip;
            let plane = |index: usize| -> Vec<f32> {
                output.iter().skip(index + skip * self.channels).step_by(self.channels).copied().collect()
            };
            let planes: Vec<Vec<f32>> = (0..self.channels).map(plane).collect();
            let planes: Vec<&[f32]> = planes.iter().map(Vec::as_slice).collect();
            self.given += (frames - skip) as u64;
            sink(&planes)?;
        }
        Ok(())
    }
}

fn failed(rate: SampleRate, error: &dyn std::error::Error) -> MediaError {
    MediaError::Unsupported(format!("resampling from {} Hz: {error}", rate.hertz()))
}
