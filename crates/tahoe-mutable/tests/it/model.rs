//! Writers on several gateways, with servers that come and go, against a simple model: no
//! acknowledged change is lost, and no reader sees contents that nobody wrote.

use crate::grid::{Grid, KEY};
use futures_util::future::join_all;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tahoe_caps::{MutableFormat, MutableWriteCap};
use tahoe_mutable::MutableFiles;
use tahoe_storage_api::testing::{Call, Fault};

const SERVERS: u8 = 5;
const GATEWAYS: usize = 3;

/// What happens in one step, all at once.
#[derive(Debug, Clone)]
struct Step {
    /// Which gateways add a line.
    writers: Vec<usize>,
    /// Which gateways read.
    readers: Vec<usize>,
    /// What is wrong with which server, one at most, as long as the step lasts.
    trouble: Option<(usize, Trouble)>,
}

#[derive(Debug, Clone, Copy)]
enum Trouble {
    Gone,
    Hangs,
    Full,
    LosesAnswers,
    Slow,
    Lies,
}

impl Trouble {
    fn rule(self) -> tahoe_storage_api::testing::Rule {
        match self {
            Self::Gone => Fault::Vanish.always(),
            Self::Hangs => Fault::Hang.always(),
            Self::Full => Fault::NoSpace.on(Call::ReadTestWrite),
            Self::LosesAnswers => Fault::LoseAnswer.on(Call::ReadTestWrite),
            Self::Slow => Fault::Delay(Duration::from_millis(300)).always(),
            Self::Lies => Fault::FlipBits(20..4000).on(Call::ReadShare),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let trouble = prop_oneof![
        Just(Trouble::Gone),
        Just(Trouble::Hangs),
        Just(Trouble::Full),
        Just(Trouble::LosesAnswers),
        Just(Trouble::Slow),
        Just(Trouble::Lies),
    ];
    let gateways = || proptest::collection::vec(0..GATEWAYS, 0..4);
    let server = 0..usize::from(SERVERS);
    (
        gateways(),
        gateways(),
        proptest::option::of((server, trouble)),
    )
        .prop_map(|(writers, readers, trouble)| Step {
            writers,
            readers,
            trouble,
        })
}

/// All contents that were ever handed to a publish, and the lines that were acknowledged.
#[derive(Debug, Default)]
struct Model {
    attempted: Arc<Mutex<BTreeSet<Vec<u8>>>>,
    acknowledged: Mutex<BTreeSet<u32>>,
}

impl Model {
    async fn write(&self, gateway: &MutableFiles, cap: &MutableWriteCap, line: u32) {
        let attempted = Arc::clone(&self.attempted);
        let change = move |old: &[u8]| {
            if lines(old).contains(&line) {
                return Ok::<_, Infallible>(None);
            }
            let new = [old, &line.to_be_bytes()].concat();
            attempted.lock().unwrap().insert(new.clone());
            Ok(Some(new))
        };
        if gateway.modify(cap, change).await.is_ok() {
            self.acknowledged.lock().unwrap().insert(line);
        }
    }

    async fn read(&self, gateway: &MutableFiles, cap: &MutableWriteCap) {
        if let Ok((_, read)) = gateway.read_all(&cap.to_read()).await {
            let known = self.attempted.lock().unwrap().contains(&read.to_vec());
            assert!(known, "nobody wrote {:?}", lines(&read));
        }
    }
}

fn lines(contents: &[u8]) -> Vec<u32> {
    let (lines, rest) = contents.as_chunks();
    assert!(rest.is_empty());
    lines.iter().map(|line| u32::from_be_bytes(*line)).collect()
}

async fn play(format: MutableFormat, steps: Vec<Step>) {
    let grid = Grid::new(SERVERS);
    let mut gateways = Vec::new();
    for _ in 0..GATEWAYS {
        gateways.push(grid.gateway().await);
    }
    let model = Model::default();
    model.attempted.lock().unwrap().insert(Vec::new());
    let cap = gateways[0]
        .create(format, Some(KEY.clone()), Vec::new())
        .await
        .unwrap();
    let mut next_line = 0..;
    for step in steps {
        if let Some((server, trouble)) = step.trouble {
            grid.faults[server].add(trouble.rule());
        }
        let writes = step.writers.iter().map(|gateway| {
            let line = next_line.next().unwrap();
            model.write(&gateways[*gateway], &cap, line)
        });
        let writes: Vec<_> = writes.collect();
        let reads = step.readers.iter();
        let reads = reads.map(|gateway| model.read(&gateways[*gateway], &cap));
        futures_util::future::join(join_all(writes), join_all(reads)).await;
        for faulty in &grid.faults {
            faulty.heal();
        }
    }
    for gateway in [&gateways[1], &grid.gateway().await] {
        let (_, read) = gateway.read_all(&cap.to_read()).await.unwrap();
        let found: BTreeSet<u32> = lines(&read).into_iter().collect();
        let acknowledged = model.acknowledged.lock().unwrap();
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "lost {lost:?} of {acknowledged:?}");
    }
}

fn run(format: MutableFormat, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(play(format, steps));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sdmf_loses_nothing(steps in proptest::collection::vec(step(), 1..12)) {
        run(MutableFormat::Sdmf, steps);
    }

    #[test]
    fn mdmf_loses_nothing(steps in proptest::collection::vec(step(), 1..12)) {
        run(MutableFormat::Mdmf, steps);
    }
}
