//! A cut in a folder: every export, the model, and what was lost.

use std::path::{Path, PathBuf};

use seedpost_core::export::{self, Format, Links};
use seedpost_core::timeline::Timeline;
use serde_json::json;

/// Writes all that a cut has, which must be every form but those that are to be refused.
pub(crate) fn write(root: &Path, name: &str, cut: &Timeline, refused: &[Format]) -> PathBuf {
    let folder = root.join(name);
    std::fs::create_dir(&folder).unwrap();
    let (mut losses, mut written) = (Vec::new(), Vec::new());
    let cues = Format::CUES.into_iter().filter(|_| !cut.cues.is_empty());
    for format in Format::ALL.into_iter().chain(cues) {
        match export::write(cut, format, Links("")) {
            Ok(export) => {
                assert!(!refused.contains(&format), "{name}: {} is written", format.as_str());
                std::fs::write(folder.join(format.file_name("cut")), export.content).unwrap();
                losses.extend(export.losses);
                written.push(format.as_str());
            }
            Err(refusal) => {
                assert!(refused.contains(&format), "{name}: {refusal}");
                assert!(refusal.what.contains("24:00:00:00") && !refusal.fix.is_empty(), "{name}: {refusal}");
            }
        }
    }
    let file = |name: &str, content: serde_json::Value| std::fs::write(folder.join(name), content.to_string()).unwrap();
    file("model.json", serde_json::to_value(cut).unwrap());
    file("losses.json", json!({ "schema": "seedpost.losses/1", "losses": losses }));
    file("expected.json", json!(written));
    folder
}
