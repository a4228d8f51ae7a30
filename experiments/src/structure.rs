//! Compares a document with the JSON Schema of its type and reports every difference at once.
//!
//! Serde stops at the first mistake; a user with three typos wants to see three. The schema is generated from the
//! very types that serde fills, so the two cannot disagree on keys, and what passes here deserialises. Texts with a
//! meaning (durations, proposals) carry a `format`, whose parser runs here too, and the words of later versions an
//! `x-not-built-yet` list, which gives them an error of their own instead of "unknown key".

use std::ops::Range;

use serde_json::Value as Schema;
use toml::Value;

use crate::document::{Document, Finding, KeyPath, Report, list, nearest};

/// Why a text does not have the format that it should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong with it, to stand below the underlined bytes.
    pub message: String,
    /// The bytes of the text at fault; all of it when `None`.
    pub span: Option<Range<usize>>,
    /// What would be right.
    pub help: Vec<String>,
}

/// A kind of text that a schema names by `format`.
#[derive(Clone, Copy)]
pub struct Format {
    /// The name in the schema.
    pub name: &'static str,
    /// What such a text is, with an example: `a duration such as "20ms"`.
    pub expected: &'static str,
    /// Parses a text and forgets the result.
    pub check: fn(&str) -> Result<(), Mistake>,
}

/// One comparison of a document with a schema.
pub struct Structure<'a> {
    document: &'a Document,
    schema: &'a Schema,
    formats: &'a [Format],
}

impl Mistake {
    /// A mistake in the whole text.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, help: Vec::new() }
    }
}

impl<'a> Structure<'a> {
    /// Prepares the comparison; `schema` must be of the inlined form that [`crate::schema`] makes.
    pub fn new(document: &'a Document, schema: &'a Schema, formats: &'a [Format]) -> Self {
        Self { document, schema, formats }
    }

    /// Every difference.
    pub fn check(&self) -> Report {
        let mut report = Report::default();
        self.check_table(&KeyPath::root(), self.document.root(), self.schema, &mut report);
        report
    }

    fn check_value(&self, path: &KeyPath, value: &Value, schema: &Schema, report: &mut Report) {
        if self.is_beyond_integers(path, value, schema) {
            report.push(self.out_of_range(path, schema));
            return;
        }
        if !allows_type(schema, value) {
            report.push(self.wrong_type(path, value, schema));
            return;
        }
        match value {
            Value::Table(table) => self.check_table(path, table, schema, report),
            Value::Array(items) => self.check_array(path, items, schema, report),
            Value::String(text) => self.check_text(path, text, schema, report),
            Value::Integer(number) => self.check_integer(path, *number, schema, report),
            Value::Float(number) => self.check_float(path, *number, schema, report),
            Value::Boolean(_) | Value::Datetime(_) => {}
        }
    }

    fn check_table(&self, path: &KeyPath, table: &toml::Table, schema: &Schema, report: &mut Report) {
        for (key, value) in table {
            let at = path.key(key);
            match (schema["properties"].get(key), schema.get("additionalProperties")) {
                (Some(inner), _) => self.check_value(&at, value, inner, report),
                (None, Some(inner)) if inner.is_object() => self.check_value(&at, value, inner, report),
                (None, Some(Schema::Bool(false))) => report.push(self.unknown_key(path, key, schema)),
                (None, _) => {}
            }
        }
        for key in texts(&schema["required"]) {
            if !table.contains_key(key) {
                report.push(self.missing_key(path, key, &schema["properties"][key]));
            }
        }
    }

    fn check_array(&self, path: &KeyPath, items: &[Value], schema: &Schema, report: &mut Report) {
        if items.is_empty() && schema["minItems"].as_u64().is_some_and(|least| least > 0) {
            let finding = Finding::new(format!("`{path}` must not be empty"));
            report.push(finding.at(self.document.locate(path), "nothing listed"));
        }
        if let Some(most) = schema["maxItems"].as_u64().filter(|most| items.len() as u64 > *most) {
            let finding = Finding::new(format!("`{path}` must have at most {most} entries"));
            report.push(finding.at(self.document.locate(path), format!("{} listed", items.len())));
        }
        for (index, item) in items.iter().enumerate() {
            self.check_value(&path.index(index), item, &schema["items"], report);
        }
    }

    fn check_text(&self, path: &KeyPath, text: &str, schema: &Schema, report: &mut Report) {
        if let Some(allowed) = choices(schema) {
            if !allowed.contains(&text) {
                report.push(self.wrong_choice(path, text, &allowed, schema));
            }
        } else if let Some(format) = self.format(schema) {
            self.check_format(path, text, format, report);
        } else if text.is_empty() && schema["minLength"].as_u64().is_some_and(|least| least > 0) {
            let finding = Finding::new(format!("`{path}` must not be empty"));
            report.push(finding.at(self.document.locate(path), "no text"));
        }
    }

    fn check_format(&self, path: &KeyPath, text: &str, format: Format, report: &mut Report) {
        let Err(mistake) = (format.check)(text) else { return };
        let place = match mistake.span {
            Some(span) => self.document.locate_within(path, span),
            None => self.document.locate(path),
        };
        let finding = Finding::new(format!("`{path}` must be {}", format.expected));
        report.push(mistake.help.into_iter().fold(finding.at(place, mistake.message), Finding::help));
    }

    fn check_integer(&self, path: &KeyPath, number: i64, schema: &Schema, report: &mut Report) {
        if let Some(format) = self.format(schema) {
            self.check_format(path, &number.to_string(), format, report);
            return;
        }
        if let Some(only) = schema["const"].as_i64().filter(|only| *only != number) {
            report.push(self.only_value(path, number, only, schema));
        }
        let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
        let most = schema["maximum"].as_i64().unwrap_or(i64::MAX);
        if !(least..=most).contains(&number) {
            report.push(self.out_of_range(path, schema));
        }
    }

    fn check_float(&self, path: &KeyPath, number: f64, schema: &Schema, report: &mut Report) {
        if let Some(format) = self.format(schema) {
            self.check_format(path, &number.to_string(), format, report);
        }
    }

    fn format(&self, schema: &Schema) -> Option<Format> {
        let name = schema["format"].as_str()?;
        self.formats.iter().find(|format| format.name == name).copied()
    }

    fn expected(&self, schema: &Schema) -> String {
        if let Some(format) = self.format(schema) {
            return format.expected.to_owned();
        }
        if let Some(allowed) = choices(schema) {
            return format!("one of {}", list(allowed));
        }
        let types: Vec<_> = type_names(schema).into_iter().map(type_phrase).collect();
        let needed = texts(&schema["required"]);
        let with = if needed.is_empty() { String::new() } else { format!(" with {}", list(needed)) };
        types.join(" or ") + &with
    }

    fn wrong_type(&self, path: &KeyPath, value: &Value, schema: &Schema) -> Finding {
        Finding::new(format!("`{path}` must be {}", self.expected(schema)))
            .at(self.document.locate(path), format!("this is {}", value_phrase(value)))
    }

    fn wrong_choice(&self, path: &KeyPath, text: &str, allowed: &[&str], schema: &Schema) -> Finding {
        let place = self.document.locate(path);
        if texts(&schema["x-not-built-yet"]).contains(&text) {
            return Finding::new(format!("\"{text}\" is not built yet as `{path}`"))
                .at(place, "a word of a later version")
                .help(format!("allowed: {}", list(allowed.iter().copied())));
        }
        Finding::new(format!("`{path}` cannot be \"{text}\""))
            .at(place, "not one of its values")
            .suggest(text, allowed.iter().copied())
            .help(format!("allowed: {}", list(allowed.iter().copied())))
    }

    fn only_value(&self, path: &KeyPath, number: i64, only: i64, schema: &Schema) -> Finding {
        let planned =
            schema["x-not-built-yet"].as_array().is_some_and(|known| known.contains(&number.into()));
        let message = if planned {
            format!("`{path} = {number}` is not built yet")
        } else {
            format!("`{path}` cannot be {number}")
        };
        Finding::new(message)
            .at(self.document.locate(path), "not one of its values")
            .help(format!("allowed: `{only}`"))
    }

    /// Whether an integer that TOML cannot hold stands behind `--set`, which makes a text of what it cannot read.
    fn is_beyond_integers(&self, path: &KeyPath, value: &Value, schema: &Schema) -> bool {
        let Value::String(text) = value else { return false };
        let unquoted = self.document.locate(path).text().trim() == text;
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let is_long =
            digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() > 1 && text.parse::<i64>().is_err();
        unquoted && is_long && type_names(schema).contains(&"integer")
    }

    fn out_of_range(&self, path: &KeyPath, schema: &Schema) -> Finding {
        let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
        let given = self.document.value(path).and_then(Value::as_integer);
        let range = match (schema["maximum"].as_i64(), given) {
            (None, Some(_)) => format!("at least {least}"),
            (most, _) => format!("between {least} and {}", most.unwrap_or(i64::MAX)),
        };
        Finding::new(format!("`{path}` must be {range}")).at(self.document.locate(path), "out of range")
    }

    fn unknown_key(&self, path: &KeyPath, key: &str, schema: &Schema) -> Finding {
        let place = self.document.locate_key(&path.key(key));
        let within = table_name(path);
        let known = keys(schema);
        if texts(&schema["x-not-built-yet"]).contains(&key) {
            return Finding::new(format!("`{key}` is not built yet"))
                .at(place, "a word of a later version")
                .help(format!("keys of {within}: {}", list(known)));
        }
        Finding::new(format!("unknown key `{key}`"))
            .at(place, format!("not a key of {within}"))
            .suggest(key, known.iter().copied())
            .help(format!("keys of {within}: {}", list(known)))
    }

    fn missing_key(&self, path: &KeyPath, key: &str, schema: &Schema) -> Finding {
        let within = table_name(path);
        let finding = Finding::new(format!("{within} lacks `{key}`"))
            .at(self.document.locate(path), format!("`{key}` belongs here"));
        let finding = match schema["description"].as_str() {
            Some(text) => finding.help(format!("{key}: {}", text.replace('\n', " "))),
            None => finding,
        };
        finding.help(format!("it must be {}", self.expected(schema)))
    }
}

/// The schema of the value at `steps`, or the step that has none, for paths that a user wrote.
///
/// # Errors
/// The number of steps that do exist, and the schema where the next one was looked for.
pub fn descend<'s>(schema: &'s Schema, steps: &[String]) -> Result<&'s Schema, (usize, &'s Schema)> {
    let mut at = schema;
    for (position, step) in steps.iter().enumerate() {
        let inner = at["properties"]
            .get(step)
            .or_else(|| at.get("additionalProperties").filter(|inner| inner.is_object()))
            .or_else(|| at.get("items").filter(|_| step.parse::<usize>().is_ok()));
        at = inner.ok_or((position, at))?;
    }
    Ok(at)
}

/// The keys that a table of this schema may have.
pub fn keys(schema: &Schema) -> Vec<&str> {
    schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

/// Whether a value of this TOML type may stand where `schema` is.
pub fn allows_type(schema: &Schema, value: &Value) -> bool {
    let names = type_names(schema);
    names.is_empty() || names.iter().any(|name| type_fits(name, value))
}

/// The closest of `known` as a help line, or nothing.
pub fn suggestion(given: &str, known: &[&str]) -> Option<String> {
    nearest(given, known.iter().copied()).map(|name| format!("did you mean `{name}`?"))
}

fn type_fits(name: &str, value: &Value) -> bool {
    match value {
        Value::String(_) => name == "string",
        Value::Integer(_) => name == "integer" || name == "number",
        Value::Float(_) => name == "number",
        Value::Boolean(_) => name == "boolean",
        Value::Datetime(_) => false,
        Value::Array(_) => name == "array",
        Value::Table(_) => name == "object",
    }
}

fn type_names(schema: &Schema) -> Vec<&str> {
    match &schema["type"] {
        Schema::String(name) => vec![name],
        several => texts(several),
    }
}

fn texts(schema: &Schema) -> Vec<&str> {
    schema.as_array().into_iter().flatten().filter_map(Schema::as_str).collect()
}

/// The texts that an enum allows: schemars writes `enum`, or `oneOf` with a `const` each when variants are documented.
fn choices(schema: &Schema) -> Option<Vec<&str>> {
    if let Some(only) = schema["const"].as_str() {
        return Some(vec![only]);
    }
    let listed = texts(&schema["enum"]);
    if !listed.is_empty() {
        return Some(listed);
    }
    let variants = schema["oneOf"].as_array()?;
    Some(variants.iter().flat_map(|variant| choices(variant).unwrap_or_default()).collect())
}

fn type_phrase(name: &str) -> &str {
    match name {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        other => other,
    }
}

fn value_phrase(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

fn table_name(path: &KeyPath) -> String {
    if path.segments().is_empty() { "the file".to_owned() } else { format!("`{path}`") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::SourceText;

    const FORMATS: &[Format] =
        &[Format { name: "even", expected: "even digits such as \"24\"", check: even }];

    fn even(text: &str) -> Result<(), Mistake> {
        match text.bytes().position(|b| !b"02468".contains(&b)) {
            Some(at) => Err(Mistake { span: Some(at..at + 1), ..Mistake::new("odd") }),
            None => Ok(()),
        }
    }

    fn schema() -> Schema {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["name"],
            "x-not-built-yet": ["later"],
            "properties": {
                "name": { "type": "string", "minLength": 1, "description": "What to call it." },
                "count": { "type": "integer", "minimum": 1, "maximum": 9 },
                "kind": { "type": "string", "enum": ["pair", "chain"], "x-not-built-yet": ["mesh"] },
                "digits": { "type": ["number", "string"], "format": "even" },
                "version": { "type": "integer", "const": 2, "x-not-built-yet": [1] },
                "list": { "type": "array", "minItems": 1, "items": { "type": "boolean" } },
                "map": { "type": "object", "additionalProperties": { "type": "integer" } },
            },
        })
    }

    fn findings(text: &str) -> Vec<(String, String)> {
        let document = Document::parse(&SourceText::new("t", text)).unwrap();
        let schema = schema();
        let report = Structure::new(&document, &schema, FORMATS).check().sorted();
        let pair = |f: &Finding| (f.message.clone(), f.location.as_ref().unwrap().text().to_owned());
        report.findings().iter().map(pair).collect()
    }

    fn check(line: &str, message: &str, place: &str) {
        let text = format!("name = \"n\"\n{line}\n");
        assert_eq!(findings(&text), [(message.to_owned(), place.to_owned())], "{line}");
    }

    #[test]
    fn a_fitting_document_has_no_findings() {
        let text =
            "name = \"n\"\ncount = 9\nkind = \"pair\"\ndigits = 24\nversion = 2\nlist = [true]\nmap.x = 1\n";
        assert_eq!(findings(text), []);
    }

    #[test]
    fn every_kind_of_mismatch_is_named_and_placed() {
        check("cuont = 1", "unknown key `cuont`", "cuont");
        check("later = 1", "`later` is not built yet", "later");
        check("count = 0", "`count` must be between 1 and 9", "0");
        check("count = \"1\"", "`count` must be an integer", "\"1\"");
        check("kind = \"pear\"", "`kind` cannot be \"pear\"", "\"pear\"");
        check("kind = \"mesh\"", "\"mesh\" is not built yet as `kind`", "\"mesh\"");
        check("digits = \"247\"", "`digits` must be even digits such as \"24\"", "7");
        check("digits = 7", "`digits` must be even digits such as \"24\"", "7");
        check("digits = [2]", "`digits` must be even digits such as \"24\"", "[2]");
        check("version = 1", "`version = 1` is not built yet", "1");
        check("version = 3", "`version` cannot be 3", "3");
        check("list = []", "`list` must not be empty", "[]");
        check("list = [true, 1]", "`list.1` must be true or false", "1");
        check("map.x = 1.5", "`map.x` must be an integer", "1.5");
        check("count = 2020-01-01", "`count` must be an integer", "2020-01-01");
    }

    #[test]
    fn missing_keys_point_at_the_table_and_all_findings_come_together() {
        let found = findings("cuont = 1\ncount = 0\n");
        assert_eq!(found.len(), 3);
        assert!(found.contains(&("the file lacks `name`".to_owned(), "cuont = 1".to_owned())));
    }

    #[test]
    fn descend_follows_tables_maps_and_lists() {
        let schema = schema();
        let steps = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(descend(&schema, &steps("map.anything")).unwrap()["type"], "integer");
        assert_eq!(descend(&schema, &steps("list.3")).unwrap()["type"], "boolean");
        assert_eq!(descend(&schema, &steps("list.x")).unwrap_err().0, 1);
        assert_eq!(descend(&schema, &steps("nothing.x")).unwrap_err().0, 0);
    }
}
