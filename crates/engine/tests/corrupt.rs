//! Damage under checksums that fit, as a hostile writer would make it: in the sections of segments, tombstones and saved
//! indexes, in records of the log and in what the manifest says. Opening and everything after it gives a typed error or an
//! answer; never a panic, a hang or memory that the files do not justify.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::damaged::{
    Files, Way, bear, bear_bytes, env, folder, manifest, named_anew, schema, sealed, sections, snapshot,
    with_manifest,
};
use common::{Client, Dice, memory, watched};
use serde_json::{Value, json};
use tercet_engine::api::{Array, root};
use tercet_engine::wire::Code;
use tercet_store::{Env, LogWriter, read_log};

#[global_allocator]
static ALLOCATOR: watched::Watched = watched::Watched;

const WAYS: [Way; 4] = [Way::WRITE, Way::READ, Way::OLD, Way::WRITE_FULL];

/// Changes the bytes of one section, as elements of four or eight bytes or as they are.
fn damage(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let odd = [0u64, 1, 7, 255, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 40, u64::MAX];
    let number = odd[dice.below(odd.len())];
    let at = dice.below(bytes.len().max(1));
    match dice.below(7) {
        0 => bytes.truncate(at),
        1 => bytes.truncate(at / 8 * 8),
        2 => bytes.extend_from_slice(&number.to_le_bytes()),
        3 if bytes.len() >= 8 => {
            let (a, b) = (at / 8 * 8, dice.below(bytes.len()) / 8 * 8);
            if a + 8 <= bytes.len() && b + 8 <= bytes.len() {
                (0..8).for_each(|i| bytes.swap(a + i, b + i));
            }
        }
        4 if bytes.len() >= 4 => {
            let at = at.min(bytes.len() - 4) / 4 * 4;
            bytes[at..at + 4].copy_from_slice(&(number as u32).to_le_bytes());
        }
        5 if bytes.len() >= 8 => {
            let at = at.min(bytes.len() - 8) / 8 * 8;
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        _ if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
        _ => {}
    }
}

#[test]
fn damage_under_good_checksums_is_borne() {
    let files = folder();
    let mut dice = Dice::new(77);
    let (mut borne, mut refused) = (0, 0);
    for at in (0..files.len()).filter(|at| files[*at].0.ends_with("seg") || files[*at].0.ends_with("del")) {
        let (kind, good) = sections(&files[at].1);
        for which in 0..good.len() {
            for round in 0..60 {
                let mut bad = good.clone();
                (0..=round / 30).for_each(|_| damage(&mut dice, &mut bad[which].1));
                let mut damaged = files.clone();
                damaged[at].1 = sealed(&kind, &bad);
                let what = format!("{} {} round {round}", files[at].0, good[which].0);
                match bear(&named_anew(&damaged), WAYS[round % WAYS.len()], &what) {
                    Ok(_) => borne += 1,
                    Err(_) => refused += 1,
                }
            }
            let mut damaged = files.clone();
            let mut bad = good.clone();
            bad.remove(which);
            damaged[at].1 = sealed(&kind, &bad);
            let what = format!("{} without {}", files[at].0, good[which].0);
            let _ = bear(&named_anew(&damaged), Way::WRITE, &what);
        }
    }
    assert!(borne > 100 && refused > 100, "{borne} borne, {refused} refused");
}

/// The folder with these records in its log.
fn with_records(files: &Files, records: &[Vec<u8>]) -> Files {
    let named = manifest(files)["log"].clone();
    let path = format!("dir/{}", named["file"].as_str().unwrap());
    let rest: Files = files.iter().filter(|(name, _)| *name != path).cloned().collect();
    let env = env(&rest);
    let mut log = LogWriter::create(&env, &path, named["identity"].as_u64().unwrap()).unwrap();
    let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    log.append(&records).unwrap();
    log.sync().unwrap();
    env.snapshot()
}

fn records(files: &Files) -> Vec<Vec<u8>> {
    let named = manifest(files)["log"].clone();
    let path = format!("dir/{}", named["file"].as_str().unwrap());
    let found = read_log(&env(files), &path, named["identity"].as_u64().unwrap(), 0).unwrap();
    found.records.iter().map(|record| record.to_vec()).collect()
}

#[test]
fn damaged_records_of_an_intact_log_are_borne() {
    let files = folder();
    let good = records(&files);
    assert_eq!((good.len(), good[0][0], good[1][0]), (2, 1, 2));
    let mut dice = Dice::new(78);
    // The segment in the first: its sections changed under good checksums.
    let (kind, parts) = sections(&Bytes::copy_from_slice(&good[0][1..]));
    for round in 0..600 {
        let mut bad = parts.clone();
        let which = dice.below(bad.len());
        damage(&mut dice, &mut bad[which].1);
        let record = [&[1], sealed(&kind, &bad).as_ref()].concat();
        let what = format!("record, {} round {round}", parts[which].0);
        let _ = bear(&with_records(&files, &[record, good[1].clone()]), WAYS[round % WAYS.len()], &what);
    }
    // The ids in the second.
    for round in 0..300 {
        let mut bad = good[1].clone();
        damage(&mut dice, &mut bad);
        let _ = bear(
            &with_records(&files, &[good[0].clone(), bad]),
            WAYS[round % WAYS.len()],
            &format!("ids {round}"),
        );
    }
    let odd: [&[u8]; 9] = [
        b"",
        b"\x00",
        b"\x03anything",
        b"\x01",
        b"\x01TERCETSF",
        b"\x02",
        b"\x02\xff\xff\xff\xff",
        b"\x02\x01\0\0\0\xff\xff\xff\xff",
        b"\x02\0\0\0\0x",
    ];
    for bad in odd {
        let files = with_records(&files, &[good[0].clone(), bad.to_vec()]);
        let error = bear(&files, Way::WRITE, &format!("{bad:?}")).unwrap_err();
        assert_eq!(error.code(), Code::Corrupt, "{error}");
    }
    // The same records more than once mean the same.
    let twice = with_records(&files, &[good[0].clone(), good[1].clone(), good[0].clone(), good[1].clone()]);
    let (once, twice) =
        (bear(&files, Way::WRITE, &"once").unwrap(), bear(&twice, Way::WRITE, &"twice").unwrap());
    assert_eq!(once.found, twice.found);
}

#[test]
fn damaged_sections_of_a_snapshot_are_borne() {
    let (kind, good) = sections(&snapshot(&folder()));
    let mut dice = Dice::new(79);
    for round in 0..800 {
        let mut bad = good.clone();
        let which = dice.below(bad.len());
        damage(&mut dice, &mut bad[which].1);
        let what = format!("snapshot, {} round {round}", good[which].0);
        let _ =
            bear_bytes(&sealed(&kind, &bad), if round % 3 == 0 { Way::READ_FULL } else { Way::READ }, &what);
    }
    let about = good.iter().position(|(name, _)| name == "collection").unwrap();
    let whole: Value = serde_json::from_slice(&good[about].1).unwrap();
    let odd: &[(&str, Value)] = &[
        ("layout", json!(0)),
        ("layout", json!(2)),
        ("documents", json!(1)),
        ("documents", json!(u64::MAX)),
        ("version", json!(u64::MAX)),
        ("schema", json!({})),
        ("schema", json!({ "fields": { "text": { "type": "dense", "dims": 65_535 } } })),
        ("keys", json!({ "f": "n" })),
        ("createdMs", json!(-1)),
    ];
    for (key, value) in odd {
        let mut changed = whole.clone();
        changed[*key] = value.clone();
        let mut bad = good.clone();
        bad[about].1 = changed.to_string().into_bytes();
        let error = bear_bytes(&sealed(&kind, &bad), Way::READ, &changed).expect_err(&changed.to_string());
        assert!([Code::Corrupt, Code::Version].contains(&error.code()), "{error}");
    }
}

/// Every list of ends made as greedy as it can be: each element claims everything.
#[test]
fn elements_that_claim_everything_take_no_memory() {
    let env: Arc<dyn Env> = memory();
    let c = Client::open(&env, "dir", &schema());
    let documents: Vec<Value> = (0..20_000)
        .map(|id| json!({ "id": format!("document-{id}"), "f": 1, "tags": [id.to_string()], "text": "x" }))
        .collect();
    c.upsert_chunks(&documents, 20_000).unwrap();
    c.call("remove", json!({ "ids": ["document-7"] })).unwrap();
    c.call("flush", json!({})).unwrap();
    c.0.close();
    let names = env.list("dir").unwrap();
    let files: Files = names
        .iter()
        .filter(|name| *name != "LOCK")
        .map(|name| (format!("dir/{name}"), env.read(&format!("dir/{name}")).unwrap()))
        .collect();
    let at = files.iter().position(|(name, _)| name.ends_with("seg")).unwrap();
    let (kind, good) = sections(&files[at].1);
    for which in 0..good.len() {
        if !good[which].0.contains("ends") {
            continue;
        }
        let mut bad = good.clone();
        let ends = &mut bad[which].1;
        let last = ends.len() - 4;
        let (every, total) = (4, ends[last..].to_vec());
        for element in (0..last).step_by(2 * every) {
            ends[element..element + every].copy_from_slice(&[0; 4]);
            if element + every < last {
                ends[element + every..element + 2 * every].copy_from_slice(&total);
            }
        }
        let mut damaged = files.clone();
        damaged[at].1 = sealed(&kind, &bad);
        let damaged = named_anew(&damaged);
        for way in [Way::WRITE, Way::READ] {
            let _ = bear(&damaged, way, &format!("greedy {}", good[which].0));
        }
    }
}

/// What opening says of the folder under a changed manifest, beside files where a wrong name would lead. The files that
/// are there stay: a folder that is not understood is not tidied up.
fn changed(files: &Files, change: &dyn Fn(&mut Value)) -> Code {
    let mut manifest = manifest(files);
    change(&mut manifest);
    let mut files = with_manifest(files, &manifest);
    let segment = files.iter().find(|(name, _)| name.ends_with("seg")).unwrap().1.clone();
    for name in ["other.seg", "0000000001.txt", "00000000x1.seg"] {
        files.push((format!("dir/{name}"), segment.clone()));
    }
    let mut code = Code::Internal;
    for way in [Way::READ, Way::WRITE] {
        let shared: Arc<dyn Env> = Arc::new(env(&files));
        let error = common::damaged::bear_in(&shared, "dir", way, &manifest)
            .map(drop)
            .expect_err(&manifest.to_string());
        let left = shared.list("dir").unwrap();
        for (name, _) in &files {
            assert!(left.contains(&name["dir/".len()..].to_owned()), "{name} is gone: {error}");
        }
        code = error.code();
    }
    code
}

#[test]
fn manifests_that_lead_elsewhere_are_refused() {
    let files = folder();
    let refused = |change: &dyn Fn(&mut Value)| changed(&files, change);
    for name in [
        "../dir/0000000001.seg",
        "/etc/passwd",
        "",
        "other.seg",
        "MANIFEST",
        "0000000001.txt",
        "00000000x1.seg",
        "0000000099.seg",
        "99999999999999999999999.seg",
    ] {
        assert_eq!(refused(&|m| newest(m)["segments"][0]["file"] = json!(name)), Code::Corrupt, "{name}");
        assert_eq!(refused(&|m| newest(m)["segments"][0]["tombstones"]["file"] = json!(name)), Code::Corrupt);
        assert_eq!(refused(&|m| m["log"]["file"] = json!(name)), Code::Corrupt, "{name}");
    }
    let corrupt: &[&dyn Fn(&mut Value)] = &[
        &|m| newest(m)["segments"][1] = newest(m)["segments"][0].clone(),
        &|m| newest(m)["segments"][0]["tombstones"]["file"] = newest(m)["segments"][1]["file"].clone(),
        &|m| newest(m)["segments"][0]["rows"] = json!(39),
        &|m| newest(m)["segments"][0]["rows"] = json!(-1),
        &|m| newest(m)["segments"][0]["rows"] = json!(u64::MAX),
        &|m| newest(m)["segments"][0]["deleted"] = json!(1),
        &|m| newest(m)["segments"][0]["deleted"] = json!(41),
        &|m| newest(m)["segments"][0]["seal"] = json!(7),
        &|m| newest(m)["segments"][0]["tombstones"]["seal"] = json!(7),
        &|m| newest(m)["segments"] = json!({}),
        &|m| m["nextFile"] = json!(u64::MAX),
        &|m| m["nextFile"] = json!(1),
        &|m| m["nextFile"] = json!(-1),
        &|m| m["layout"] = json!(0),
        &|m| m["layout"] = json!("1"),
        &|m| m["states"] = json!([]),
        &|m| m["states"] = json!(null),
        // Versions that do not rise, and numbers that no clock or counter reaches.
        &|m| newest(m)["version"] = json!(1),
        &|m| newest(m)["version"] = m["states"][0]["version"].clone(),
        &|m| newest(m)["version"] = json!(u64::MAX),
        &|m| m["states"].as_array_mut().unwrap().reverse(),
        &|m| m["states"][0]["version"] = json!(0),
        // Tags.
        &|m| m["tags"]["old"] = json!(77),
        &|m| m["tags"]["new"] = json!(u64::MAX),
        &|m| m["tags"]["new"] = json!("old"),
        // The log: named as something else, and as another log.
        &|m| m["log"]["file"] = newest(m)["segments"][0]["file"].clone(),
        &|m| m["log"]["identity"] = json!(3),
        &|m| m["log"] = json!("0000000006.log"),
    ];
    for (at, change) in corrupt.iter().enumerate() {
        assert_eq!(refused(*change), Code::Corrupt, "change {at}");
    }
    assert_eq!(refused(&|m| m["layout"] = json!(2)), Code::Version);
    assert_eq!(refused(&|m| *m = json!({ "layout": 3, "anything": [1] })), Code::Version);
    assert_eq!(refused(&|m| newest(m)["schema"]["fields"]["f"] = json!({ "type": "text" })), Code::Corrupt);
    assert_eq!(refused(&|m| newest(m)["schema"] = json!([])), Code::Corrupt);
    assert_eq!(refused(&|m| newest(m)["keys"] = json!({ "n": "f" })), Code::Corrupt);
    assert_eq!(refused(&|m| newest(m)["keys"] = json!({ "n": "x".repeat(1000) })), Code::Corrupt);
    assert_eq!(refused(&|m| *m = json!("x")), Code::Corrupt);
    assert_eq!(refused(&|m| *m = json!([[[]]])), Code::Corrupt);
}

fn newest(manifest: &mut Value) -> &mut Value {
    manifest["states"].as_array_mut().unwrap().last_mut().unwrap()
}

#[test]
fn manifests_that_claim_much_are_answered_in_little_memory() {
    let files = folder();
    let good = manifest(&files);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        for way in [Way::READ, Way::OLD, Way::WRITE] {
            let _ = bear(&with_manifest(&files, &manifest), way, &"a large manifest");
        }
    };
    let many = |m: &mut Value, count: u64| {
        let old = m["states"][0].clone();
        let states: Vec<Value> = (0..count)
            .map(|at| {
                let mut state = old.clone();
                state["version"] = json!(1000 + at);
                state
            })
            .collect();
        m["states"] = json!(states);
        m["tags"] = json!({ "old": 1000 });
    };
    with(&|m| many(m, 3_000));
    with(&|m| {
        newest(m)["keys"] =
            json!((0..20_000).map(|n| (n.to_string(), json!("k"))).collect::<serde_json::Map<_, _>>())
    });
    with(&|m| newest(m)["retiredKeys"] = json!(vec!["k"; 100_000]));
    with(&|m| {
        m["tags"] = json!((0..20_000).map(|n| (format!("t{n}"), json!(2))).collect::<serde_json::Map<_, _>>())
    });
    with(&|m| newest(m)["createdMs"] = json!(u64::MAX));
    with(&|m| newest(m)["segments"][0]["rows"] = json!(u32::MAX));
    with(&|m| m["nextFile"] = json!(1u64 << 53));
    with(&|m| newest(m)["version"] = json!(1u64 << 53));
    let deep = |open: &str, close: &str| [open.repeat(100_000), close.repeat(100_000)].concat();
    for payload in [deep("[", "]"), deep("{\"a\":", "}"), "9".repeat(100_000), String::new()] {
        let env = env(&files);
        tercet_store::write_manifest(&env, "dir", payload.as_bytes()).unwrap();
        let error = bear(&env.snapshot(), Way::WRITE, &"a deep manifest").unwrap_err();
        assert_eq!(error.code(), Code::Corrupt);
    }
}

#[test]
fn saved_indexes_are_borne_too() {
    let env: Arc<dyn Env> = memory();
    let root = Client(root(env.clone()));
    let build = json!({ "dims": 2, "metric": "cosine", "index": { "kind": "flat" } });
    let vectors = (0..100u16).flat_map(|n| [f32::from(n) + 1.0, 1.0]).collect();
    let index = Client(root.raw("index.build", &build, vec![Array::F32(vectors)]).unwrap().handle.unwrap());
    index.raw("remove", &json!({}), vec![Array::U32(vec![3, 4])]).unwrap();
    index.call("save", json!({ "path": "saved" })).unwrap();
    let (kind, good) = sections(&env.read("saved").unwrap());
    let mut dice = Dice::new(9);
    let mut abouts: Vec<Value> = Vec::new();
    for (key, value) in
        [("dims", json!(0)), ("dims", json!(3)), ("dims", json!(u32::MAX)), ("rows", json!(0))]
    {
        let mut about = json!({ "dims": 2, "metric": "cosine", "index": { "kind": "flat" }, "rows": 100 });
        about[key] = value;
        if about["dims"] == json!(0) {
            let mut empty = about.clone();
            empty["rows"] = json!(0);
            abouts.push(empty);
        }
        abouts.push(about);
    }
    for round in 0..600 {
        let mut bad = good.clone();
        match abouts.get(round) {
            Some(about) => {
                let at = bad.iter().position(|(name, _)| name == "about").unwrap();
                bad[at].1 = about.to_string().into_bytes();
            }
            None => {
                let which = dice.below(bad.len());
                damage(&mut dice, &mut bad[which].1);
            }
        }
        let path = format!("bad-{round}");
        env.create(&path).unwrap().write_all(&sealed(&kind, &bad)).unwrap();
        watched::reset();
        let open = json!({ "path": path, "index": { "kind": "flat" } });
        match root.raw("index.open", &open, Vec::new()) {
            Err(error) => {
                assert!([Code::Corrupt, Code::Type, Code::Version].contains(&error.code()), "{error}")
            }
            Ok(reply) => {
                let index = Client(reply.handle.unwrap());
                let query = vec![Array::F32(vec![1.0, 0.5])];
                let _ = index.raw("searchBatch", &json!({ "k": 5 }), query.clone());
                let _ = index.raw("add", &json!({}), query);
                let _ = index.raw("add", &json!({}), vec![Array::F32(Vec::new())]);
                let _ = index.raw("compact", &json!({}), Vec::new());
                let _ = index.call("stats", json!({}));
            }
        }
        watched::check(&path);
    }
}
