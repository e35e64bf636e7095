//! Snapshots: a collection in one file, opened as it is or made a folder again.
//!
//! A snapshot is a section file of kind `snapshot`: the sections of one segment that holds every live document, and
//! `collection`, which says what a manifest would (JSON, described in `docs/format.md`). Nothing in it depends on when
//! or where it is made: the same documents of the same version give the same bytes.

mod import;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tercet_store::{Env, SectionFile, parent};

use crate::api::{Array, Control, Reply};
use crate::collection::{Collection, FieldCurves, Opened, agree, opened};
use crate::schema::Schema;
use crate::segment::{Export, Job, Segment};
use crate::verb::to_json;
use crate::wire::{
    Code, ExportReply, ExportRequest, OpenRequest, TercetError, VerifyMode, VersionName, Vocabularies,
};

pub(crate) use import::{UNFINISHED, import, settle_unfinished};

/// The section that says what the snapshot is of.
const COLLECTION: &str = "collection";
/// The version of that section.
const LAYOUT: u32 = 1;
/// Numbers above this can only come from damage.
const NUMBER_MAX: u64 = 1 << 53;
/// What stands for a path in messages about bytes.
const BYTES: &str = "(snapshot)";

/// What stands in the section `collection`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    layout: u32,
    schema: Value,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    keys: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired_keys: Vec<String>,
    /// The words of sparse fields, by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    vocabularies: Vocabularies,
    /// What `tune` measured, by the keys of dense fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    curves: FieldCurves,
    version: u64,
    documents: u64,
    /// When the version was written.
    created_ms: u64,
}

/// A snapshot that was read.
struct Source {
    about: About,
    schema: Schema,
    segment: Segment,
}

impl About {
    fn read(file: &SectionFile) -> Result<About, TercetError> {
        let label = file.label();
        let corrupt = |what: String| {
            TercetError::new(Code::Corrupt, format!("{label}: section `{COLLECTION}`: {what}")).file(label)
        };
        let bytes = file.section(COLLECTION)?;
        // The layout is looked at alone first: a newer one may have any other fields.
        let value: Value = serde_json::from_slice(&bytes).map_err(|e| corrupt(e.to_string()))?;
        let layout = value.get("layout").and_then(Value::as_u64).unwrap_or(0);
        if layout > LAYOUT.into() {
            let message = format!("{label} was written by a newer version of tercet");
            return Err(TercetError::new(Code::Version, message)
                .file(label)
                .expected(format!("layout {LAYOUT} or older"), format!("layout {layout}")));
        }
        let about: About = serde_json::from_value(value).map_err(|e| corrupt(e.to_string()))?;
        if about.layout == 0 || about.version > NUMBER_MAX || about.created_ms > NUMBER_MAX {
            return Err(corrupt(format!("layout {}, version {}", about.layout, about.version)));
        }
        Ok(about)
    }
}

impl Source {
    fn open(file: SectionFile) -> Result<Source, TercetError> {
        let label = file.label().to_owned();
        if file.kind() != crate::segment::SNAPSHOT {
            let message = format!("{label} is no snapshot: it is a file of kind {:?}", file.kind());
            return Err(TercetError::new(Code::Corrupt, message)
                .file(label)
                .expected("a snapshot", format!("a file of kind {:?}", file.kind())));
        }
        let about = About::read(&file)?;
        let mut schema =
            Schema::stored(&about.schema, &about.keys, &about.retired_keys, Some(&about.vocabularies))
                .map_err(|e| damaged(e, &label))?;
        schema.retired.clone_from(&about.retired_keys);
        let segment = Segment::of_snapshot(&schema, file)?;
        if u64::from(segment.rows) != about.documents {
            let message = format!("{label}: it says {} documents and has {}", about.documents, segment.rows);
            return Err(TercetError::new(Code::Corrupt, message).file(label));
        }
        Ok(Source { about, schema, segment })
    }

    fn of_bytes(bytes: Vec<u8>) -> Result<Source, TercetError> {
        Source::open(SectionFile::from_bytes(bytes.into(), BYTES)?)
    }

    /// Every checksum and every structure.
    fn verify(&self) -> Result<(), TercetError> {
        self.segment.file.verify()?;
        self.segment.verify_structure()
    }
}

/// A schema that the caller never wrote cannot be their mistake.
fn damaged(mut error: TercetError, label: &str) -> TercetError {
    error.0.message = format!("{label}: the schema cannot be read: {}", error.0.message);
    error.0.code = Code::Corrupt;
    error.file(label)
}

/// Writes what a collection holds now into a snapshot: a new file, or bytes in the reply.
pub(crate) fn export(
    collection: &Collection,
    request: &ExportRequest,
    control: &Control,
) -> Result<Reply, TercetError> {
    let snapshot = collection.snapshot()?;
    let schema = &*snapshot.schema;
    let about = About {
        layout: LAYOUT,
        schema: schema.to_json()?,
        keys: schema.keys(),
        retired_keys: schema.retired.clone(),
        vocabularies: schema.vocabularies(),
        curves: FieldCurves::clone(&snapshot.curves),
        version: snapshot.version,
        documents: snapshot.documents(),
        created_ms: created_ms(collection, snapshot.version)?,
    };
    let json = to_json(&about)?;
    let export = Export { name: COLLECTION, bytes: json.as_bytes() };
    let inputs = snapshot.inputs();
    let parallel = collection.threads();
    let job = Job { parallel: &parallel, ..Job::whole(control) };
    let mut arrays = Vec::new();
    let bytes = match &request.path {
        Some(path) => to_file(&export, schema, &inputs, collection.env(), path, &job)?,
        None => {
            let bytes = export.to_bytes(schema, &inputs, &job)?;
            arrays.push(Array::U8(bytes.into()));
            arrays.iter().map(|array| if let Array::U8(bytes) = array { bytes.len() as u64 } else { 0 }).sum()
        }
    };
    let reply = ExportReply { bytes, documents: about.documents, version: about.version };
    Ok(Reply { json: to_json(&reply)?, arrays, handle: None })
}

fn to_file(
    export: &Export<'_>,
    schema: &Schema,
    inputs: &[crate::segment::merge::Input<'_>],
    env: &dyn Env,
    path: &str,
    job: &Job<'_>,
) -> Result<u64, TercetError> {
    if path.is_empty() {
        return Err(TercetError::new(Code::Argument, "the path is empty")
            .field("path")
            .expected("a file that is not there yet", "an empty string"));
    }
    // Before a long merge: the name is taken for good only when the file is begun.
    if env.exists(path)? {
        return Err(TercetError::new(Code::Exists, format!("{path} exists; a snapshot is a new file"))
            .file(path)
            .expected("a file that is not there yet", "something that is"));
    }
    let bytes = export.to_file(schema, inputs, job, env, path)?;
    if let Err(error) = env.sync_dir(parent(path)) {
        let _ = env.remove(path);
        return Err(error.into());
    }
    Ok(bytes)
}

/// When a version was written; 0 where nothing says it.
fn created_ms(collection: &Collection, version: u64) -> Result<u64, TercetError> {
    if let Some(created) = collection.created_ms(version)? {
        return Ok(created);
    }
    let parts = &collection.current().parts;
    match parts.first().map(|part| &part.segment.file).filter(|file| file.has(COLLECTION)) {
        Some(file) => Ok(About::read(file)?.created_ms),
        None => Ok(0),
    }
}

/// Opens a snapshot for reading, where the request is about one: a path that is a file, or bytes beside an empty path.
pub(crate) fn open(
    env: &Arc<dyn Env>,
    request: &OpenRequest,
    arrays: &mut Vec<Array>,
) -> Result<Option<Opened>, TercetError> {
    let source = match (request.path.as_str(), arrays.pop()) {
        ("", Some(Array::U8(bytes))) if arrays.is_empty() => Source::of_bytes(bytes)?,
        (_, Some(_)) => {
            return Err(TercetError::new(Code::Argument, "bytes to open come alone, with an empty path")
                .field("path")
                .expected("one array of bytes and an empty path", request.path.clone()));
        }
        (path, None) if is_file(env.as_ref(), path) => Source::open(SectionFile::open(env.as_ref(), path)?)?,
        _ => return Ok(None),
    };
    let label = source.segment.file.label().to_owned();
    let version = source.about.version;
    if request.version.as_ref().is_some_and(|name| *name != VersionName::Number(version)) {
        let message = format!("{label} is a snapshot; the one version in it is {version}");
        return Err(TercetError::new(Code::NotFound, message).file(label).field("version"));
    }
    agree(&source.schema, request, &label)?;
    if request.verify == VerifyMode::Full {
        source.verify()?;
    }
    let Source { schema, segment, about } = source;
    let collection = Collection::of_snapshot(env, schema, segment, version, about.curves, request)?;
    Ok(Some(opened(collection, false, None)))
}

/// Whether bytes can be read at a path: a folder has none.
fn is_file(env: &dyn Env, path: &str) -> bool {
    !path.is_empty() && path != ":memory:" && env.read_range(path, 0, 1).is_ok()
}
