//! Sweeps, drafts and their promotion, chains, retries that the list asks for, prices, budgets and claims.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::Simulator;
use support::doors::{Door, Site, canned};

struct Stage {
    _folder: tempfile::TempDir,
    simulator: Simulator,
}

impl Stage {
    fn new() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let simulator = canned(folder.path());
        Stage { _folder: folder, simulator }
    }

    /// With a simulator that renders.
    fn rendering() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start(folder.path());
        Stage { _folder: folder, simulator }
    }

    /// The paid requests' bodies, in order.
    fn sent(&self) -> Vec<Value> {
        let is_paid = |request: &Value| {
            request["method"] == "POST"
                && (request["body"]["prompt"].is_string() || request["body"]["content"].is_array())
        };
        self.simulator.requests().into_iter().filter(is_paid).collect()
    }

    fn fail(&self, prompt: &str, reason: &str, times: u32) {
        let fault = json!({ "call": "render", "fault": "fail", "reason": reason, "prompt": prompt, "times": times });
        self.simulator.fault(&fault);
    }
}

const RUN: [&str; 2] = ["run", "--no-finish"];

fn shot(id: &str, keys: &str) -> String {
    format!("[[shot]]\nid = \"{id}\"\nprompt = \"{id} in the rain\"\nduration = 8\n{keys}\n")
}

#[test]
fn what_a_filter_refuses_is_tried_otherwise_where_the_list_says_so() {
    let stage = Stage::new();
    stage.fail("A in the rain", "audio", 3);
    let retry = "retry = [\"1.5-pro\", \"new_seed\", \"shorter\", \"fast_tier\", \"silent_audio\"]";
    let list = format!("{}{}", shot("A", &format!("tier = \"standard\"\n{retry}")), shot("B", ""));
    let site = Site::new(Door::Fal, &stage.simulator, &list);
    let (code, out, err) = site.run(&RUN);
    assert_eq!(code, 0, "{out}{err}");
    let told = |take: &str| {
        let take = site.take(take);
        (take["state"].as_str().unwrap().to_owned(), take["follows"].clone(), take["change"].clone())
    };
    assert_eq!(told("A_T01"), ("failed".into(), Value::Null, Value::Null));
    assert_eq!(told("A_T02"), ("failed".into(), json!("A_T01"), json!("seedance-1.5-pro")));
    assert_eq!(told("A_T03"), ("failed".into(), json!("A_T01"), json!("the same once more")));
    assert_eq!(told("A_T04"), ("done".into(), json!("A_T01"), json!("6 s")));
    assert_eq!(told("B_T01").0, "done");
    let sent = stage.sent();
    let of_a: Vec<(&str, &Value)> = sent
        .iter()
        .filter(|request| request["body"]["prompt"] == "A in the rain")
        .map(|request| (request["path"].as_str().unwrap(), &request["body"]["duration"]))
        .collect();
    let standard = "/bytedance/seedance-2.0/text-to-video";
    let older = "/fal-ai/bytedance/seedance/v1.5/pro/text-to-video";
    let (eight, six) = (json!("8"), json!("6"));
    assert_eq!(of_a, [(standard, &eight), (older, &eight), (standard, &eight), (standard, &six)]);
    assert_eq!(stage.simulator.charges("A in"), 1);

    // Neither a second run nor a later change of the shot buys what is there already.
    assert_eq!(site.run(&RUN).0, 0);
    site.write(&list.replace("A in the rain", "A in the snow"));
    let (_, out, err) = site.run(&RUN);
    assert_eq!(stage.sent().len(), 5, "{out}{err}");
}

#[test]
fn without_a_word_in_the_list_nothing_is_tried_again_and_a_corrected_shot_is_bought_once() {
    let stage = Stage::new();
    stage.fail("A in the rain", "prompt", 0);
    let site = Site::new(Door::Ark, &stage.simulator, &shot("A", ""));
    for _ in 0..2 {
        assert_eq!(site.run(&RUN).0, 6);
    }
    assert_eq!(stage.sent().len(), 1);
    // With the retry comes a new prompt: one wish, one request.
    site.write(&shot("A", "retry = [\"new_seed\"]").replace("rain", "snow"));
    let (code, out, err) = site.run(&RUN);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!((stage.sent().len(), site.takes().len()), (2, 1), "{out}{err}");
}

#[test]
fn retries_stay_within_the_budget() {
    let stage = Stage::new();
    stage.fail("A in the rain", "face", 0);
    let site = Site::new(Door::Proxy('a'), &stage.simulator, &shot("A", "retry = [\"new_seed\", \"shorter\"]"));
    // A proxy's failure counts as paid: 8 s at 480p and the fast tier are $0.899944.
    let (code, out, err) = site.run(&["run", "--no-finish", "--budget", "1.00"]);
    assert_eq!(code, 5, "{out}{err}");
    assert_eq!(stage.sent().len(), 1);
    let (code, _, err) = site.run(&["run", "--no-finish", "--budget", "5.00"]);
    assert_eq!((code, stage.sent().len()), (6, 3), "{err}");
    let unusable = site.json(&["status", "--unusable"]);
    let takes = unusable["takes"].as_array().unwrap();
    assert_eq!(takes.len(), 3);
    assert!(takes.iter().all(|take| take["request_id"].is_string() && take["why"].as_str().unwrap().contains("face")));
    // A person who has the money back says so; nothing is sent because of that.
    assert_eq!(site.run(&["resolve", "A_T01", "--not-charged"]).0, 0);
    assert_eq!(site.json(&["status", "--unusable"])["takes"].as_array().unwrap().len(), 2);
    site.run(&RUN);
    assert_eq!(stage.sent().len(), 3);
}

#[test]
fn a_sweep_is_fast_and_silent_and_its_winner_is_rendered_in_full() {
    let stage = Stage::new();
    let keys = "tier = \"standard\"\ndraft = true\ntakes = 3\nintent = \"social\"";
    let site = Site::new(Door::Fal, &stage.simulator, &shot("A", keys));
    assert_eq!(site.run(&RUN).0, 0);
    let sent = stage.sent();
    assert_eq!(sent.len(), 3);
    for request in &sent {
        assert_eq!(request["path"], "/bytedance/seedance-2.0/fast/text-to-video");
        assert_eq!(request["body"]["generate_audio"], false);
    }
    let (code, _, err) = site.run(&["promote", "A", "9"]);
    assert!(code == 2 && err.contains("A_T09 has no clip"), "{err}");
    let promoted = site.json(&["promote", "A", "2"]);
    assert_eq!((promoted["take"].as_str(), promoted["follows"].as_str()), (Some("A_T04"), Some("A_T02")));
    assert_eq!(stage.sent().len(), 3, "nothing is sent by promoting");
    let (code, _, err) = site.run(&["promote", "A", "2"]);
    assert!(code == 2 && err.contains("promoted already, as A_T04"), "{err}");
    assert_eq!(site.run(&RUN).0, 0);
    let sent = stage.sent();
    assert_eq!((sent.len(), sent[3]["path"].as_str()), (4, Some("/bytedance/seedance-2.0/text-to-video")));
    assert_eq!(sent[3]["body"]["generate_audio"], true);
    assert!(site.run(&["promote", "A", "4"]).2.contains("a promotion itself"));
    // More takes are more drafts, and take no number twice.
    site.write(&shot("A", &keys.replace("takes = 3", "takes = 4")));
    assert_eq!(site.run(&RUN).0, 0);
    assert_eq!(site.take("A_T05")["follows"], Value::Null);
    assert_eq!(stage.sent().len(), 5);
}

#[test]
fn an_ark_draft_is_continued_by_its_own_name() {
    let stage = Stage::new();
    let keys = "model = \"seedance-1.5-pro\"\ntier = \"standard\"\ndraft = true";
    let site = Site::new(Door::Ark, &stage.simulator, &shot("A", keys));
    assert_eq!(site.run(&RUN).0, 0);
    let draft = site.take("A_T01")["request_id"].as_str().unwrap().to_owned();
    site.json(&["promote", "A", "1"]);
    let (code, out, err) = site.run(&RUN);
    assert_eq!(code, 0, "{out}{err}");
    let sent = stage.sent();
    assert_eq!(sent[0]["body"]["draft"], true);
    assert_eq!(sent[1]["body"]["content"], json!([{ "type": "draft_task", "draft_task": { "id": draft } }]));
}

#[test]
fn a_chain_waits_for_its_parent_and_one_failure_parks_one_branch() {
    for door in [Door::Fal, Door::Ark, Door::Proxy('a')] {
        let stage = Stage::rendering();
        stage.fail("X in the rain", "face", 1);
        let from = |parent: &str| format!("first_frame_from = \"{parent}\"");
        let list = [shot("C", &from("B")), shot("B", &from("A")), shot("A", ""), shot("X", ""), shot("Y", &from("X"))];
        let site = Site::new(door, &stage.simulator, &list.concat().replace("= 8", "= 4"));
        let (code, out, err) = site.run(&RUN);
        assert_eq!(code, 8, "{door:?}: {out}{err}");
        for (take, state) in
            [("A_T01", "done"), ("B_T01", "done"), ("C_T01", "done"), ("X_T01", "failed"), ("Y_T01", "planned")]
        {
            assert_eq!(site.take(take)["state"], state, "{door:?}: {out}{err}");
        }
        assert!(err.contains("Y_T01 waits for a clip of X"), "{err}");
        let sent = stage.sent();
        let order: Vec<char> = sent.iter().map(|request| prompt(request).chars().next().unwrap()).collect();
        let at = |shot: char| order.iter().position(|sent| *sent == shot).unwrap();
        assert!(at('A') < at('B') && at('B') < at('C') && !order.contains(&'Y'), "{order:?}");
        let frames = site.json(&["status", "--hosts"]);
        assert!(frames.to_string().contains("A_T01_last_frame.png"), "{frames}");
    }
}

fn prompt(request: &Value) -> &str {
    let body = &request["body"];
    body["prompt"].as_str().or_else(|| body["content"][0]["text"].as_str()).unwrap_or_default()
}

/// The last frame that goes into the next shot is the one that the clip ends with, by ffmpeg's decoder.
#[test]
fn the_next_shot_begins_with_the_last_frame() {
    let stage = Stage::rendering();
    let list = [shot("A", ""), shot("B", "first_frame_from = \"A\"")];
    let site = Site::new(Door::Ark, &stage.simulator, &list.concat().replace("= 8", "= 4"));
    assert_eq!(site.run(&RUN).0, 0);
    let sent = stage.sent();
    let part = &sent[1]["body"]["content"][1];
    assert_eq!(part["role"], "first_frame");
    assert_eq!(sent[0]["body"]["return_last_frame"], true);
    let frame = site.folder.path().join("takes/A/T01/last_frame.png");
    let data = format!("data:image/png;base64,{}", STANDARD.encode(std::fs::read(&frame).unwrap()));
    assert_eq!(part["image_url"]["url"], data);
    let clip = site.clip("A_T01");
    let graph = "[0:v]select=eq(n\\,95),setpts=0,format=rgb24[a];[1:v]setpts=0,format=rgb24[b];[a][b]psnr";
    let arguments = ["-v", "info", "-i", clip.to_str().unwrap(), "-i", frame.to_str().unwrap()];
    let output = std::process::Command::new("ffmpeg")
        .args(arguments)
        .args(["-lavfi", graph, "-an", "-f", "null", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let psnr = said.split("average:").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    assert!(psnr == "inf" || psnr.parse::<f64>().is_ok_and(|psnr| psnr > 35.0), "{said}");
}

#[test]
fn two_k_falls_back_before_anything_is_charged() {
    let stage = Stage::new();
    let keys = "resolution = \"2k\"";
    let list = [shot("A", keys), shot("B", keys).replace("B in the rain", "B [2k]")].concat();
    let site = Site::new(Door::Proxy('a'), &stage.simulator, &list);
    let (code, out, err) = site.run(&RUN);
    assert_eq!(code, 0, "{out}{err}");
    let sent = stage.sent();
    let of = |shot: &str| -> Vec<&str> {
        let own = sent.iter().filter(|request| prompt(request).starts_with(shot));
        own.map(|request| request["body"]["resolution"].as_str().unwrap()).collect()
    };
    assert_eq!((of("A"), of("B")), (vec!["2k", "1080p"], vec!["2k"]));
    assert_eq!(stage.simulator.bills().len(), 2);
    assert!(err.contains("nothing was charged"), "{err}");
    // 8 s of 1080p at $0.0112 a thousand tokens: 1920 × 1080 × 8 × 24 ÷ 1024 = 388,800 tokens.
    assert_eq!(site.take("A_T01")["usd_micros"], 4_354_560);
}

#[test]
fn prices_are_the_providers_own_where_it_tells_them_and_so_are_charges() {
    let stage = Stage::new();
    let site = Site::new(Door::Fal, &stage.simulator, &shot("A", ""));
    let plan = site.json(&["plan"]);
    assert_eq!(plan["shots"][0]["price_from"], "provider, now");
    // 864 × 496 × 8 × 24 ÷ 1024 = 80,352 tokens, at $0.0112 a thousand.
    assert_eq!(plan["usd_micros"], 899_943);
    stage.simulator.fault(&json!({ "call": "price", "fault": "patch", "patch": { "prices": [{ "endpoint_id": "bytedance/seedance-2.0/fast/text-to-video", "unit_price": 2.24e-5, "unit": "token", "currency": "USD" }] } }));
    assert_eq!(site.json(&["plan"])["usd_micros"], 1_799_885);
    stage.simulator.fault(&json!({ "call": "price", "fault": "answer", "status": 500, "times": 0 }));
    let (code, out, err) = site.run(&["plan"]);
    assert!(code == 0 && out.contains("dated table") && err.contains("price list could not be read"), "{out}{err}");
    assert_eq!(site.run(&RUN).0, 0);
    let take = site.take("A_T01");
    assert_eq!((&take["usd_micros_charged"], &take["usd_micros"]), (&json!(899_943), &json!(899_943)));
    assert_eq!(stage.simulator.bills()[0]["micros"], 899_943);
}

#[test]
fn a_sum_over_the_limit_wants_a_yes() {
    let stage = Stage::new();
    let site = Site::new(Door::Ark, &stage.simulator, &[shot("A", ""), shot("B", "")].concat());
    let (code, out, err) = site.run(&["run", "--no-finish", "--approve-over", "1.00"]);
    assert_eq!((code, stage.sent().len()), (5, 0), "{out}{err}");
    assert!(err.contains("not approved") && err.contains("--yes"), "{err}");
    assert_eq!(site.run(&["run", "--no-finish", "--approve-over", "1.00", "--yes"]).0, 0);
    assert_eq!(stage.sent().len(), 2);
    // What was sent already wants no leave.
    assert_eq!(site.run(&["run", "--no-finish", "--approve-over", "1.00"]).0, 0);
}

#[test]
fn a_job_that_the_list_has_forgotten_is_fetched_all_the_same() {
    let stage = Stage::new();
    let site = Site::new(Door::Fal, &stage.simulator, &[shot("A", "takes = 2"), shot("B", "")].concat());
    stage.simulator.fault(&json!({ "call": "status", "fault": "answer", "status": 503, "times": 0, "prompt": "A in" }));
    let (code, _, _) = site.run(&["run", "--no-finish", "--wait-minutes", "0"]);
    assert_eq!(code, 8);
    stage.simulator.forget_faults();
    site.write(&shot("B", ""));
    let (code, out, err) = site.run(&RUN);
    assert_eq!(code, 0, "{out}{err}");
    assert!(err.contains("A_T01 is under way, though the list does not ask for it any more"), "{err}");
    assert!(site.clip("A_T01").exists() && site.clip("A_T02").exists());
    assert_eq!(stage.sent().len(), 3);
}

#[test]
fn a_missing_key_is_told_and_keeps_nothing_else_back() {
    let stage = Stage::new();
    let list = [shot("A", "provider = \"ark\""), shot("B", "")].concat();
    let site = Site::new(Door::Fal, &stage.simulator, &list);
    let (code, out, err) = site.run(&RUN);
    assert_eq!(code, 2, "{out}{err}");
    assert!(err.contains("ARK_API_KEY is not set"), "{err}");
    assert_eq!(
        (site.take("B_T01")["state"].as_str(), site.take("A_T01")["state"].as_str()),
        (Some("done"), Some("planned"))
    );
}

/// Without a mark, an equal request may be somebody else's: a person has to say whose it is.
#[test]
fn nothing_is_adopted_on_a_likeness_alone() {
    for door in [Door::Fal, Door::Ark] {
        let stage = Stage::new();
        let unmarked = |door: Door, shots: &str| {
            let site = Site::new(door, &stage.simulator, shots);
            let list = format!("{}mark_requests = false\n{shots}", door.render());
            std::fs::write(site.folder.path().join("shots.toml"), list).unwrap();
            site
        };
        let first = unmarked(door, &shot("A", ""));
        assert_eq!(first.run(&RUN).0, 0);
        stage.simulator.fault(&json!({ "call": "submit", "fault": "drop" }));
        let second = unmarked(door, &shot("A", ""));
        let (code, out, err) = second.run(&RUN);
        assert_eq!(code, 7, "{door:?}: {out}{err}");
        let found = second.json(&["resolve", "A_T01"]);
        assert_eq!(found["found"][0]["certain"], false, "{door:?}: {found}");
        let (code, _, err) = second.run(&["resolve", "A_T01", "--not-charged"]);
        assert_eq!(code, 0, "{err}");
        assert_eq!(second.run(&RUN).0, 0);
        assert_eq!(stage.simulator.bills().len(), 2, "{door:?}");
    }
}

/// Where the model takes a seed, no two requests of a shot are the same, whatever follows what.
#[test]
fn no_two_requests_of_a_seeded_shot_are_the_same() {
    let stage = Stage::new();
    stage.fail("A in the rain", "face", 4);
    let keys =
        "model = \"seedance-1.5-pro\"\ntier = \"standard\"\nseed = 100\ntakes = 2\nretry = [\"new_seed\", \"shorter\"]";
    let site = Site::new(Door::Fal, &stage.simulator, &shot("A", keys));
    site.run(&RUN);
    let bodies: Vec<String> = stage.sent().iter().map(|request| request["body"].to_string()).collect();
    assert_eq!(bodies.len(), 6);
    for (index, body) in bodies.iter().enumerate() {
        assert!(!bodies[..index].contains(body), "{bodies:?}");
    }
    // A promoted draft has the seed of the draft that won.
    let draft = "model = \"seedance-1.5-pro\"\ntier = \"standard\"\nseed = 100\ntakes = 3\ndraft = true";
    let site = Site::new(Door::Fal, &stage.simulator, &shot("D", draft));
    assert_eq!(site.run(&RUN).0, 0);
    site.json(&["promote", "D", "3"]);
    assert_eq!(site.run(&RUN).0, 0);
    assert_eq!(stage.sent().last().unwrap()["body"]["seed"], 102);
}

#[test]
fn one_wish_is_bought_once_whatever_becomes_of_the_retries_in_the_list() {
    let stage = Stage::new();
    stage.fail("A in the rain", "timeout", 3);
    let site = Site::new(Door::Fal, &stage.simulator, &shot("A", "retry = [\"new_seed\", \"new_seed\"]"));
    assert_eq!(site.run(&RUN).0, 6);
    assert_eq!(stage.sent().len(), 3);
    // The time-outs are free: without the line, the take itself is sent once more, and nothing beside it.
    site.write(&shot("A", ""));
    assert_eq!(site.json(&["plan"])["shots"].as_array().unwrap().iter().filter(|shot| shot["takes"] != 0).count(), 1);
    let (code, out, err) = site.run(&RUN);
    assert_eq!((code, stage.sent().len(), stage.simulator.bills().len()), (0, 4, 1), "{out}{err}");
    assert!(!err.contains("fix: "), "a retry has served it: {err}");
}

#[test]
fn a_late_bill_is_read_by_a_later_run_and_listed_where_there_is_no_clip() {
    let stage = Stage::new();
    stage.fail("A in the rain", "timeout", 1);
    let bill = json!({ "call": "billing", "fault": "answer", "status": 500, "times": 0 });
    stage.simulator.fault(&bill);
    let site = Site::new(Door::Fal, &stage.simulator, &shot("A", ""));
    assert_eq!(site.run(&RUN).0, 6);
    assert_eq!(site.run(&RUN).0, 0);
    assert_eq!(site.take("A_T01")["usd_micros_charged"], Value::Null);
    stage.simulator.forget_faults();
    // The failed job was charged after all.
    let failed = stage.simulator.requests().iter().find_map(|request| {
        let path = request["path"].as_str()?;
        let (_, id) = path.split_once("/requests/")?;
        Some(id.split('/').next()?.to_owned())
    });
    let patch = json!({ "items": [{ "request_id": failed, "cost_estimate_nano_usd": 500_000_000_u64 }] });
    stage.simulator.fault(&json!({ "call": "billing", "fault": "patch", "patch": patch }));
    let (code, out, err) = site.run(&RUN);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(site.take("A_T01")["usd_micros"], 899_943 + 500_000);
    let unusable = site.json(&["status", "--unusable"]);
    assert_eq!((&unusable["takes"][0]["request_id"], &unusable["usd_micros"]), (&json!(failed), &json!(500_000)));
    // The bill of the clip itself is still to come, and is taken over by the next run.
    assert_eq!(site.run(&RUN).0, 0);
    assert_eq!(site.take("A_T01")["usd_micros_charged"], 899_943);
}

#[test]
fn what_a_person_settled_is_not_sent_again_by_itself() {
    let stage = Stage::new();
    stage.fail("A in the rain", "server", 1);
    let site = Site::new(Door::Proxy('b'), &stage.simulator, &shot("A", ""));
    assert_eq!(site.run(&RUN).0, 6);
    assert_eq!(site.run(&["resolve", "A_T01", "--not-charged"]).0, 0);
    let (code, out, err) = site.run(&RUN);
    assert_eq!(code, 6);
    assert!(err.contains("raise `takes`") && !err.contains("run again") && !out.contains("as it should"), "{out}{err}");
    assert_eq!(stage.sent().len(), 1);
    assert_eq!(site.take("A_T01")["usd_micros"], 0);
    site.write(&shot("A", "").replace("rain", "snow"));
    assert_eq!(site.run(&RUN).0, 0);
    assert_eq!(stage.sent().len(), 2);
}

#[test]
fn what_killed_runs_left_is_swept_from_every_take_and_nothing_else_is() {
    let stage = Stage::new();
    let site = Site::new(Door::Fal, &stage.simulator, &shot("A", ""));
    // A take that the list does not name, such as a retry's.
    let stems = site.folder.path().join("takes/GONE/T07/stems");
    std::fs::create_dir_all(&stems).unwrap();
    let (left, own) = (stems.join(".seedpost-abc"), stems.join("notes.txt"));
    for path in [&left, &own, &stems.with_file_name(".seedpost-def")] {
        std::fs::write(path, "x").unwrap();
    }
    assert_eq!(site.run(&RUN).0, 0);
    assert!(!left.exists() && !stems.with_file_name(".seedpost-def").exists() && own.exists());
}

#[test]
fn a_free_time_out_is_sent_again_when_its_retries_have_led_nowhere() {
    let stage = Stage::new();
    stage.fail("A in the rain", "timeout", 1);
    stage.fail("A in the rain", "face", 1);
    let site = Site::new(Door::Fal, &stage.simulator, &shot("A", "retry = [\"new_seed\"]"));
    assert_eq!(site.run(&RUN).0, 6);
    let (code, out, err) = site.run(&RUN);
    assert_eq!((code, stage.sent().len(), stage.simulator.bills().len()), (0, 3, 1), "{out}{err}");
}

#[test]
fn retries_of_the_shot_as_it_was_do_not_count_for_the_shot_as_it_is() {
    let stage = Stage::new();
    stage.fail("A in the rain", "face", 0);
    let site = Site::new(Door::Fal, &stage.simulator, &shot("A", "retry = [\"new_seed\"]"));
    assert_eq!(site.run(&RUN).0, 6);
    assert_eq!(stage.sent().len(), 2);
    stage.fail("A in the snow", "face", 1);
    site.write(&shot("A", "retry = [\"new_seed\", \"shorter\"]").replace("rain", "snow"));
    let (code, out, err) = site.run(&RUN);
    assert_eq!((code, stage.sent().len()), (0, 4), "{out}{err}");
    let states: Vec<Value> = site.takes().into_iter().map(|take| take["state"].clone()).collect();
    assert_eq!(states, ["failed", "failed", "done"], "{out}{err}");
    // And with its clip there, every further run is quiet.
    let (code, out, err) = site.run(&RUN);
    assert!(code == 0 && out.contains("nothing to do") && !err.contains("another attempt"), "{out}{err}");
}
