//! The JSON Schemas of scenario and sweep files, generated from their types.
//!
//! Two forms of one schema: the published one for editors (`ipseclab schema scenario`), with definitions and `$ref`,
//! and an inlined one for [`crate::structure`], which then needs to follow no references. TOML has no null, so an
//! optional key may be absent and nothing else: "or null" is taken out of both.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::profiles::ProfileFile;
use crate::scenario::ScenarioFile;
use crate::sweep::SweepFile;

/// Schema of a scenario file for editors and other tools.
pub fn scenario() -> Value {
    generate::<ScenarioFile>(false)
}

/// Schema of a sweep file for editors and other tools.
pub fn sweep() -> Value {
    generate::<SweepFile>(false)
}

/// Schema of a vendor profile for editors and other tools.
pub fn profile() -> Value {
    generate::<ProfileFile>(false)
}

/// Schema of a scenario without references, for comparing documents with; made once, as a sweep needs it often.
pub fn scenario_inlined() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| generate::<ScenarioFile>(true));
    &SCHEMA
}

/// Schema of a sweep without references, for comparing documents with.
pub fn sweep_inlined() -> Value {
    generate::<SweepFile>(true)
}

fn generate<T: JsonSchema>(inline: bool) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = inline);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    remove_null(&mut schema);
    schema.to_value()
}

/// Takes `null` out of a schema and everything in it.
fn remove_null(schema: &mut Schema) {
    if let Some(object) = schema.as_object_mut() {
        remove_null_here(object);
    }
    schemars::transform::transform_subschemas(&mut remove_null, schema);
}

fn remove_null_here(object: &mut serde_json::Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(allowed)) = object.get_mut("enum") {
        allowed.retain(|value| !value.is_null());
        // An optional constant is written as an enumeration of itself and null.
        if let [only] = allowed.as_slice() {
            let only = only.clone();
            object.remove("enum");
            object.insert("const".to_owned(), only);
        }
    }
    let Some(Value::Array(branches)) = object.get_mut("anyOf") else { return };
    branches.retain(|branch| branch["type"] != "null");
    let [only] = branches.as_slice() else { return };
    let only = only.clone();
    object.remove("anyOf");
    // The outer description belongs to the key, the inner one to its type: the key's wins.
    for (key, value) in only.as_object().into_iter().flatten() {
        object.entry(key.clone()).or_insert_with(|| value.clone());
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
}
