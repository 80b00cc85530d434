//! What the ledger takes, for the bench: `ledger append PLACE TAKES AT_ONCE` and `ledger fold PLACE`, where PLACE is a file or
//! `postgres://…`. Prints one JSON line. Each take gets the five events of a life without trouble.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for measuring prints, and may fail loudly")]

use std::path::Path;
use std::time::Instant;

use futures_util::StreamExt as _;
use seedpost_core::cost::Usd;
use seedpost_core::job::{Delivery, Event, JobRef, Plan};
use seedpost_core::shot::{ProviderName, TakeId};
use seedpost_core::spec::Promise;
use seedpost_render::ledger::Ledger;
use serde_json::json;

const PRICE: Usd = Usd::from_micros(302_400);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let line = runtime.block_on(async {
        match arguments.as_slice() {
            ["append", place, takes, at_once] => {
                append(open(place).await, takes.parse().unwrap(), at_once.parse().unwrap()).await
            }
            ["fold", place] => fold(open(place).await).await,
            _ => panic!("append PLACE TAKES AT_ONCE, or fold PLACE"),
        }
    });
    println!("{line}");
}

async fn open(place: &str) -> Ledger {
    match place.starts_with("postgres://") {
        true => Ledger::connect(place).await.unwrap(),
        false => Ledger::open(Path::new(place)).await.unwrap(),
    }
}

async fn append(ledger: Ledger, takes: usize, at_once: usize) -> serde_json::Value {
    let begun = Instant::now();
    let lives = (0..takes).map(|number| life(&ledger, number));
    futures_util::stream::iter(lives).buffer_unordered(at_once).collect::<Vec<()>>().await;
    json!({ "events": takes * 5, "seconds": begun.elapsed().as_secs_f64() })
}

async fn life(ledger: &Ledger, number: usize) {
    let take: TakeId = format!("SC{:05}_SH010_T01", number).parse().unwrap();
    let job = JobRef {
        request_id: format!("01a231e8-380f-7562-84ec-{number:012}"),
        status_url: Some("https://queue.fal.run/bytedance/seedance-2.0/requests/01a231e8/status".to_owned()),
        response_url: Some("https://queue.fal.run/bytedance/seedance-2.0/requests/01a231e8".to_owned()),
        cancel_url: None,
    };
    let body = json!({ "prompt": "A street market at dawn; slow push in past the fruit stalls. ".repeat(4), "duration": "8",
        "resolution": "720p", "aspect_ratio": "16:9", "generate_audio": true });
    ledger.append(&take, 0, Event::Planned(plan())).await.unwrap();
    ledger.intend(&take, 1, body, PRICE, None).await.unwrap();
    ledger.append(&take, 2, Event::Submitted(job)).await.unwrap();
    let url = "https://v3.fal.media/files/elephant/8aJxkq0XbF7mN2pQ4rStU_video.mp4".to_owned();
    ledger.append(&take, 3, Event::Rendered { url, charged: None, last_frame: None }).await.unwrap();
    let delivery = Delivery { sha256: "5f".repeat(32), bytes: 8_123_456 };
    ledger.append(&take, 4, Event::Downloaded(delivery)).await.unwrap();
}

fn plan() -> Plan {
    Plan {
        provider: ProviderName::Fal,
        endpoint: "bytedance/seedance-2.0/text-to-video".into(),
        region: None,
        estimate: PRICE,
        fingerprint: "c4".repeat(32),
        promise: Box::new(Promise::ordered("seedance-2.0", None, None, true)),
        second_choice: false,
        follows: None,
    }
}

async fn fold(ledger: Ledger) -> serde_json::Value {
    let begun = Instant::now();
    let takes = ledger.takes().await.unwrap();
    let events: u64 = takes.values().map(|take| take.length).sum();
    json!({ "takes": takes.len(), "events": events, "seconds": begun.elapsed().as_secs_f64() })
}
