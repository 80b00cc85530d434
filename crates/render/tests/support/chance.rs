//! Chance that can be had again.
#![allow(dead_code, reason = "each test program uses its own part")]

/// Numbers by chance, the same for the same seed.
pub(crate) struct Chance(u64);

impl Chance {
    /// From `SEEDPOST_SEED`, else from the clock; says which.
    pub(crate) fn seeded() -> Chance {
        let told = std::env::var("SEEDPOST_SEED").ok().map(|seed| seed.parse().expect("SEEDPOST_SEED is a number"));
        let clock = || std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
        let seed: u32 = told.unwrap_or_else(clock);
        println!("SEEDPOST_SEED={seed}");
        // Its numbers begin alike where the seeds are small.
        let mut chance = Chance(u64::from(seed) << 1 | 1);
        (0..20).for_each(|_| _ = chance.below(1));
        chance
    }

    /// One of so many numbers, from 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % count
    }
}
