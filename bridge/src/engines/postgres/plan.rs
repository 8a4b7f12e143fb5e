//! Which column of a body goes where: by `COPY` into the table, or through one where the rows wait.
//!
//! What has no binary form of ours waits as text, and is cast by the server; rows that update others
//! wait, too. So does what a cast would change without a word, by the precision of its type: the
//! server says whether it does.

use std::collections::HashMap;

use arrow_schema::SchemaRef;

use super::catalogue::Relation;
use super::ingest::{Keeps, Target};
use super::scan::Typed;
use super::types::Kind;
use super::wire::Conn;
use crate::dialect::POSTGRESQL;
use crate::engines::meet::{meet, whole_key};
use crate::error::{Code, Error, Result};

/// Where rows wait that are not copied into their table at once.
pub const STAGING: &str = "pg_temp.fsspec_db_staging";

pub struct Plan {
    /// Positions in the body, and where each goes.
    pub targets: Vec<(usize, Target)>,
    places: Vec<Place>,
    has_identity: bool,
}

/// A column that is written.
struct Place {
    name: String,
    quoted: String,
    declared: String,
    /// The type in which it waits, if that is another.
    waits_as: Option<String>,
    /// The type without what it says of precision or length, if that may change a value that waits.
    plain: Option<String>,
}

impl Place {
    /// What waits, as the column has it.
    fn cast(&self) -> String {
        match self.waits_as {
            Some(_) => format!("{}::{}", self.quoted, self.declared),
            None => self.quoted.clone(),
        }
    }
}

impl Plan {
    /// # Errors
    /// `schema-mismatch`, or what the server said.
    pub fn new(conn: &mut Conn, typed: &Typed, schema: &SchemaRef) -> Result<Self> {
        let bases = Base::load(conn, &typed.relation)?;
        let mut plan = Self { targets: Vec::new(), places: Vec::new(), has_identity: false };
        for (index, at) in meet(&typed.relation.name, &typed.relation.columns, schema)? {
            let (field, column) = (schema.field(index), &typed.relation.columns[at]);
            let kind = match &typed.kinds[at] {
                // An array of several dimensions was read as text, and the table may not say that it has such.
                // Intervals are text in files whose formats have none.
                Kind::List(_) | Kind::Interval if field.data_type().is_string() => Kind::AsText,
                kind => kind.clone(),
            };
            let base = bases.get(&column.name).cloned().unwrap_or_default();
            let plain = if base.changes(&kind) { Some(base.plain.clone()) } else { None };
            let as_text = kind.is_cast().then(|| "pg_catalog.text".to_owned());
            plan.has_identity |= column.identity;
            plan.places.push(Place {
                name: column.name.clone(),
                quoted: POSTGRESQL.quoted(&column.name),
                declared: column.declared.clone(),
                waits_as: as_text.or_else(|| plain.clone()),
                plain,
            });
            let keeps = base.keeps(&kind);
            let target = Target { name: column.name.clone(), kind, item: base.item, keeps };
            plan.targets.push((index, target));
        }
        Ok(plan)
    }

    /// Whether some column cannot go into its table at once.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.places.iter().any(|place| place.waits_as.is_some())
    }

    /// The names, quoted.
    #[must_use]
    pub fn columns(&self) -> String {
        self.list(|place| place.quoted.clone())
    }

    fn list(&self, each: impl Fn(&Place) -> String) -> String {
        self.places.iter().map(each).collect::<Vec<_>>().join(", ")
    }

    /// Makes the table where rows wait.
    #[must_use]
    pub fn staging(&self, table: &str) -> String {
        let columns = self.list(|place| match &place.waits_as {
            Some(other) => format!("NULL::{other} AS {}", place.quoted),
            None => place.quoted.clone(),
        });
        format!(
            "CREATE TEMPORARY TABLE fsspec_db_staging ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA"
        )
    }

    /// Refuses what the server would round or cut.
    ///
    /// # Errors
    /// `value-out-of-range` with column and row.
    pub fn verify(&self, conn: &mut Conn) -> Result<()> {
        for place in &self.places {
            let Some(plain) = &place.plain else { continue };
            // Rows wait in their order, for the table is new: `COPY` then only ever appends to it.
            let changed = conn.rows(
                &format!(
                    "SELECT (SELECT pg_catalog.count(*) FROM {STAGING} before WHERE before.ctid <= changed.ctid)
                     FROM {STAGING} changed WHERE {}::{plain} IS DISTINCT FROM {} LIMIT 1",
                    place.quoted,
                    place.cast()
                ),
                &[],
            );
            let changed = changed.map_err(|error| error.with_column(&place.name))?;
            let row = changed.into_iter().flatten().flatten().next().and_then(|row| row.parse().ok());
            if let Some(row) = row {
                let detail = format!(
                    "column {:?}, row {row}: {} would not keep the value as it is",
                    place.name, place.declared
                );
                let error = Error::new(Code::ValueOutOfRange, detail);
                return Err(error.with_column(&place.name).with_row(row));
            }
        }
        Ok(())
    }

    /// Takes the rows that wait into their table. Of those with one key the last one counts, as it
    /// does where rows are written one by one.
    ///
    /// # Errors
    /// `schema-mismatch` for rows that are to update others and have no whole key.
    pub fn insert(&self, relation: &Relation, upsert: bool) -> Result<String> {
        let key = if upsert { self.key(relation)? } else { Vec::new() };
        let list = |places: &[&Place], each: &dyn Fn(&Place) -> String| {
            places.iter().map(|place| each(place)).collect::<Vec<_>>().join(", ")
        };
        let overriding = if self.has_identity { " OVERRIDING SYSTEM VALUE" } else { "" };
        let into = format!("INSERT INTO {} ({}){overriding}", relation.quoted(), self.columns());
        let values = self.list(Place::cast);
        if !upsert {
            return Ok(format!("{into} SELECT {values} FROM {STAGING}"));
        }
        let rest: Vec<&Place> =
            self.places.iter().filter(|place| !key.iter().any(|column| column.name == place.name)).collect();
        let action = match rest.as_slice() {
            [] => "NOTHING".to_owned(),
            rest => {
                format!("UPDATE SET {}", list(rest, &|place| format!("{0} = excluded.{0}", place.quoted)))
            }
        };
        let keys = list(&key, &Place::cast);
        Ok(format!(
            "{into} SELECT DISTINCT ON ({keys}) {values} FROM {STAGING} ORDER BY {keys}, ctid DESC
             ON CONFLICT ({}) DO {action}",
            list(&key, &|place| place.quoted.clone())
        ))
    }

    /// The primary key, which the body has to have whole.
    fn key(&self, relation: &Relation) -> Result<Vec<&Place>> {
        let find = |name: &str| self.places.iter().find(|place| place.name == name);
        let key = whole_key(&relation.name, &relation.columns, |name| find(name).is_some())?;
        Ok(key.into_iter().filter_map(|column| find(&column.name)).collect())
    }
}

/// What a column's type comes to, behind domains and arrays.
#[derive(Clone, Debug, Default)]
struct Base {
    oid: u32,
    typmod: i32,
    /// The type of an array's items.
    item: u32,
    /// The type without a modifier, in SQL.
    plain: String,
}

impl Base {
    /// Of the columns of a relation, by their names.
    fn load(conn: &mut Conn, relation: &Relation) -> Result<HashMap<String, Self>> {
        let rows = conn.rows(
            "WITH RECURSIVE t (name, oid, typmod, item, whole) AS (
                 SELECT attname, atttypid, atttypmod, 0::pg_catalog.oid, NULL::pg_catalog.oid
                 FROM pg_catalog.pg_attribute WHERE attrelid = $1::pg_catalog.oid AND attnum > 0 AND NOT attisdropped
                 UNION ALL
                 SELECT t.name, CASE p.typtype WHEN 'd' THEN p.typbasetype ELSE p.typelem END,
                        CASE p.typtypmod WHEN -1 THEN t.typmod ELSE p.typtypmod END,
                        CASE p.typtype WHEN 'd' THEN t.item ELSE p.typelem END,
                        COALESCE(t.whole, CASE WHEN p.typtype <> 'd' THEN p.oid END)
                 FROM t JOIN pg_catalog.pg_type p ON p.oid = t.oid
                 WHERE p.typtype = 'd' OR (p.typcategory = 'A' AND p.typlen = -1 AND p.typelem <> 0))
             SELECT t.name, t.oid, t.typmod, t.item,
                    CASE COALESCE(t.whole, t.oid) WHEN 18 THEN 'pg_catalog.text'
                    ELSE pg_catalog.format_type(COALESCE(t.whole, t.oid), -1) END
             FROM t JOIN pg_catalog.pg_type p ON p.oid = t.oid
             WHERE NOT (p.typtype = 'd' OR (p.typcategory = 'A' AND p.typlen = -1 AND p.typelem <> 0))",
            &[Some(&relation.oid)],
        )?;
        let base = |row: Vec<Option<String>>| {
            let [name, oid, typmod, item, plain] = <[_; 5]>::try_from(row).ok()?;
            let number = |text: Option<String>| text?.parse().ok();
            let typmod = typmod?.parse().ok()?;
            Some((name?, Self { oid: number(oid)?, typmod, item: number(item)?, plain: plain? }))
        };
        Ok(rows.into_iter().filter_map(base).collect())
    }

    /// What is looked at before it is sent.
    fn keeps(&self, kind: &Kind) -> Keeps {
        match (self.oid, self.typmod) {
            _ if kind.is_cast() => Keeps::All,
            (1042 | 1043, 4..) => Keeps::Characters(usize::try_from(self.typmod - 4).unwrap_or(0)),
            // time, timestamp, timestamptz
            (1083 | 1114 | 1184, digits @ 0..6) => Keeps::Micros(10_i64.pow(6 - digits.unsigned_abs())),
            _ => Keeps::All,
        }
    }

    /// Whether the server may round or cut values of that kind and say nothing. What others than the
    /// system's types do with their modifiers nobody knows.
    fn changes(&self, kind: &Kind) -> bool {
        let said = self.typmod != -1 && (1..16_384).contains(&self.oid);
        match self.oid {
            // "char", which has one byte and no modifier.
            18 => true,
            _ if kind.is_cast() => said,
            // interval: the fields that it has, and the digits of a second.
            1186 => said && !(self.typmod >> 16 == 0x7fff && self.typmod & 0xffff >= 6),
            // numeric: a scale below zero.
            1700 => said && (self.typmod - 4) & 0x400 != 0,
            _ => false,
        }
    }
}
