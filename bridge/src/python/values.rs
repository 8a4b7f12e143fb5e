//! Query parameters: Python to [`Value`] and back, exactly or not at all.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMapping, PySequence, PyString, PyTuple,
};

use crate::value::{Params, Value};

/// Lists within lists, at most.
const DEPTH: usize = 32;

/// The classes and moments that values are compared and counted with.
struct Library {
    date: Py<PyAny>,
    time: Py<PyAny>,
    datetime: Py<PyAny>,
    timedelta: Py<PyAny>,
    /// 1970-01-01, without a zone and in UTC.
    epoch: (Py<PyAny>, Py<PyAny>),
    decimal: Py<PyAny>,
    uuid: Py<PyAny>,
}

/// `date.toordinal()` of 1970-01-01.
const EPOCH_ORDINAL: i32 = 719_163;

fn library(py: Python<'_>) -> PyResult<&Library> {
    static LIBRARY: PyOnceLock<Library> = PyOnceLock::new();
    LIBRARY.get_or_try_init(py, || {
        let datetime = py.import("datetime")?;
        let class = datetime.getattr("datetime")?;
        let naive = class.call1((1970, 1, 1))?;
        let zone = PyDict::new(py);
        zone.set_item("tzinfo", datetime.getattr("timezone")?.getattr("utc")?)?;
        let utc = class.call((1970, 1, 1), Some(&zone))?;
        Ok(Library {
            date: datetime.getattr("date")?.unbind(),
            time: datetime.getattr("time")?.unbind(),
            datetime: class.unbind(),
            timedelta: datetime.getattr("timedelta")?.unbind(),
            epoch: (naive.unbind(), utc.unbind()),
            decimal: py.import("decimal")?.getattr("Decimal")?.unbind(),
            uuid: py.import("uuid")?.getattr("UUID")?.unbind(),
        })
    })
}

/// # Errors
/// `TypeError` naming the type of what cannot be a parameter.
pub fn params_from(params: Option<&Bound<'_, PyAny>>) -> PyResult<Params> {
    let Some(params) = params else { return Ok(Params::none()) };
    if let Ok(named) = params.cast::<PyMapping>() {
        let mut values = Vec::with_capacity(named.len()?);
        for pair in named.items()?.iter() {
            let (name, value): (String, Bound<'_, PyAny>) = pair.extract()?;
            values.push((name, value_from(&value, DEPTH)?));
        }
        return Ok(Params::Named(values));
    }
    let text = params.is_instance_of::<PyString>() || params.is_instance_of::<PyBytes>();
    match params.cast::<PySequence>() {
        Ok(positional) if !text => {
            let values = positional.try_iter()?.map(|value| value_from(&value?, DEPTH));
            Ok(Params::Positional(values.collect::<PyResult<_>>()?))
        }
        _ => Err(refused(params, "parameters are a sequence or a mapping")),
    }
}

fn refused(value: &Bound<'_, PyAny>, rule: &str) -> PyErr {
    let name =
        value.get_type().fully_qualified_name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{rule}, not {name}"))
}

fn value_from(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    let py = value.py();
    if value.is_none() {
        Ok(Value::Null)
    } else if let Ok(value) = value.cast::<PyBool>() {
        Ok(Value::Bool(value.is_true()))
    } else if let Ok(value) = value.cast::<PyInt>() {
        match value.extract::<i64>() {
            Ok(value) => Ok(Value::Int(value)),
            Err(_) => Ok(Value::Decimal(digits(py, value)?)),
        }
    } else if let Ok(value) = value.cast::<PyFloat>() {
        Ok(Value::Float(value.value()))
    } else if let Ok(value) = value.cast::<PyString>() {
        Ok(Value::Text(value.to_str()?.to_owned()))
    } else if let Ok(value) = value.cast::<PyBytes>() {
        Ok(Value::Bytes(value.as_bytes().to_vec()))
    } else if let Ok(value) = value.cast::<PyByteArray>() {
        Ok(Value::Bytes(value.to_vec()))
    } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        if depth == 0 {
            return Err(PyTypeError::new_err("a parameter has too many lists within lists"));
        }
        let values = value.try_iter()?.map(|value| value_from(&value?, depth - 1));
        Ok(Value::List(values.collect::<PyResult<_>>()?))
    } else {
        library_value_from(value)
    }
}

/// An integer beyond 64 bits, whatever `int` subclass it is and however long.
fn digits(py: Python<'_>, value: &Bound<'_, PyInt>) -> PyResult<String> {
    // `int.__str__` refuses more than 4,300 digits and subclasses print what they like.
    let decimal = library(py)?.decimal.bind(py).call1((value,))?;
    let text: String = decimal.call_method1("__format__", ("f",))?.extract()?;
    Ok(text)
}

fn library_value_from(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let py = value.py();
    let library = library(py)?;
    // A datetime is a date as well.
    if value.is_instance(library.datetime.bind(py))? {
        let nanoseconds = value.getattr_opt("nanosecond")?;
        if nanoseconds.is_some_and(|value| value.is_truthy().unwrap_or(true)) {
            return Err(PyTypeError::new_err("a parameter has nanoseconds, which a timestamp cannot hold"));
        }
        let utc = !value.call_method0("utcoffset")?.is_none();
        let epoch = if utc { &library.epoch.1 } else { &library.epoch.0 };
        let since = value.sub(epoch.bind(py))?;
        let days: i64 = since.getattr("days")?.extract()?;
        let seconds: i64 = since.getattr("seconds")?.extract()?;
        let micros: i64 = since.getattr("microseconds")?.extract()?;
        return Ok(Value::Timestamp { micros: (days * 86_400 + seconds) * 1_000_000 + micros, utc });
    }
    if value.is_instance(library.date.bind(py))? {
        let ordinal: i32 = value.call_method0("toordinal")?.extract()?;
        return Ok(Value::Date(ordinal - EPOCH_ORDINAL));
    }
    if value.is_instance(library.time.bind(py))? {
        if !value.getattr("tzinfo")?.is_none() {
            return Err(PyTypeError::new_err("a parameter is a time with a zone, which no database holds"));
        }
        let part = |name: &str| value.getattr(name)?.extract::<i64>();
        let seconds = (part("hour")? * 60 + part("minute")?) * 60 + part("second")?;
        return Ok(Value::Time(seconds * 1_000_000 + part("microsecond")?));
    }
    if value.is_instance(library.decimal.bind(py))? {
        let mut text: String = value.str()?.extract()?;
        // Digits alone mean an integer where they are too many for 64 bits; see `value_to`.
        if is_integer(&text) && text.parse::<i64>().is_err() {
            text.push_str("E+0");
        }
        return Ok(Value::Decimal(text));
    }
    if value.is_instance(library.uuid.bind(py))? {
        return Ok(Value::Uuid(value.getattr("bytes")?.extract()?));
    }
    Err(refused(
        value,
        "a parameter is None, bool, int, float, str, bytes, date, time, datetime, Decimal, UUID or a list",
    ))
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// `None` where there are no parameters, else a list or a dictionary.
pub fn params_to<'py>(py: Python<'py>, params: &Params) -> PyResult<Option<Bound<'py, PyAny>>> {
    if params.is_empty() {
        return Ok(None);
    }
    Ok(Some(match params {
        Params::Positional(values) => list(py, values)?,
        Params::Named(values) => {
            let named = PyDict::new(py);
            for (name, value) in values {
                named.set_item(name, value_to(py, value)?)?;
            }
            named.into_any()
        }
    }))
}

fn list<'py>(py: Python<'py>, values: &[Value]) -> PyResult<Bound<'py, PyAny>> {
    let values: Vec<_> = values.iter().map(|value| value_to(py, value)).collect::<PyResult<_>>()?;
    Ok(PyList::new(py, values)?.into_any())
}

fn value_to<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    let library = library(py)?;
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::Int(value) => value.into_pyobject(py)?.into_any(),
        Value::Float(value) => PyFloat::new(py, *value).into_any(),
        Value::Decimal(digits) => {
            let decimal = library.decimal.bind(py).call1((digits,))?;
            if is_integer(digits) && digits.parse::<i64>().is_err() {
                decimal.call_method0("__int__")?
            } else {
                decimal
            }
        }
        Value::Text(value) => PyString::new(py, value).into_any(),
        Value::Bytes(value) => PyBytes::new(py, value).into_any(),
        Value::Date(days) => {
            library.date.bind(py).call_method1("fromordinal", (days.saturating_add(EPOCH_ORDINAL),))?
        }
        Value::Time(micros) => {
            let seconds = micros / 1_000_000;
            library.time.bind(py).call1((
                seconds / 3600,
                seconds / 60 % 60,
                seconds % 60,
                micros % 1_000_000,
            ))?
        }
        Value::Timestamp { micros, utc } => {
            let since = library.timedelta.bind(py).call1((
                micros.div_euclid(86_400_000_000),
                micros.rem_euclid(86_400_000_000) / 1_000_000,
                micros.rem_euclid(1_000_000),
            ))?;
            let epoch = if *utc { &library.epoch.1 } else { &library.epoch.0 };
            epoch.bind(py).add(since)?
        }
        Value::Uuid(bytes) => {
            let named = PyDict::new(py);
            named.set_item("bytes", PyBytes::new(py, bytes))?;
            library.uuid.bind(py).call((), Some(&named))?
        }
        Value::List(values) => list(py, values)?,
    })
}
