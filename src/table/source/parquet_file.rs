//! Tables as Parquet files, in chunks.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::f16;
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescriptor, Type, TypePtr};

use super::data::{At, Column, Place, Table, Values};
use crate::error::Error;
use crate::io::container::{atomically, problem, unwritten};

/// The rows of a row group that `write_parquet` writes.
const GROUP_ROWS: usize = 1 << 17;

impl Table {
    /// Writes the table as a Parquet file, atomically: numbers as doubles that may be missing, text as
    /// strings. Not compressed.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be written.
    pub fn write_parquet(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        written(path, |file| {
            let fields = self.columns().iter().map(field).collect::<Result<_, _>>()?;
            let schema = Type::group_type_builder("schema").with_fields(fields).build()?;
            let properties = Arc::new(WriterProperties::builder().build());
            let mut writer = SerializedFileWriter::new(file, Arc::new(schema), properties)?;
            for start in (0..self.n_rows()).step_by(GROUP_ROWS) {
                let rows = start..self.n_rows().min(start + GROUP_ROWS);
                let mut group = writer.next_row_group()?;
                for column in self.columns() {
                    let Some(mut target) = group.next_column()? else { break };
                    match &column.values {
                        Values::Numbers(values) => {
                            let (values, levels) = doubles(&values[rows.clone()]);
                            let typed = target.typed::<DoubleType>();
                            typed.write_batch(&values, Some(&levels), None)?;
                        }
                        Values::Text(values) => {
                            let values = &values[rows.clone()];
                            let levels: Vec<i16> =
                                values.iter().map(|value| i16::from(!value.is_empty())).collect();
                            let values: Vec<ByteArray> = values
                                .iter()
                                .filter(|value| !value.is_empty())
                                .map(|value| value.as_str().into())
                                .collect();
                            let typed = target.typed::<ByteArrayType>();
                            typed.write_batch(&values, Some(&levels), None)?;
                        }
                    }
                    target.close()?;
                }
                group.close()?;
            }
            writer.close()?;
            Ok(())
        })
    }
}

/// The values that are there, and for each whether it is.
fn doubles(values: &[f64]) -> (Vec<f64>, Vec<i16>) {
    let levels = values.iter().map(|value| i16::from(!value.is_nan())).collect();
    (values.iter().copied().filter(|value| !value.is_nan()).collect(), levels)
}

fn field(column: &Column) -> Result<TypePtr, ParquetError> {
    let builder = match column.values {
        Values::Numbers(_) => Type::primitive_type_builder(&column.name, PhysicalType::DOUBLE),
        Values::Text(_) => Type::primitive_type_builder(&column.name, PhysicalType::BYTE_ARRAY)
            .with_converted_type(ConvertedType::UTF8),
    };
    builder.with_repetition(Repetition::OPTIONAL).build().map(Arc::new)
}

/// Writes a file atomically.
fn written(
    path: &Path,
    write: impl FnOnce(&File) -> Result<(), ParquetError>,
) -> Result<(), Error> {
    atomically(path, |file| write(file).map_err(|error| unwritten(path, error)))
}

/// Writes a Parquet file again with one more column of doubles, atomically. The bytes of the other
/// columns stay as they are.
pub(in crate::table) fn append_column(
    input: &Path,
    output: &Path,
    name: &str,
    mut values: impl Iterator<Item = Result<f64, Error>>,
) -> Result<(), Error> {
    let reader = open(input)?;
    let source = File::open(input).map_err(|error| problem(input, error))?;
    let mut failure = None;
    let done = written(output, |file| {
        let root = reader.metadata().file_metadata().schema_descr().root_schema();
        let mut fields = root.get_fields().to_vec();
        fields.push(field(&Column { name: name.to_owned(), values: Values::Numbers(vec![]) })?);
        let schema = Type::group_type_builder(root.name()).with_fields(fields).build()?;
        // As pandas' index; what Arrow says of the columns no longer fits.
        let metadata = reader.metadata().file_metadata().key_value_metadata().cloned();
        let metadata = metadata.map(|mut all| {
            all.retain(|entry| entry.key != "ARROW:schema");
            all
        });
        let properties = WriterProperties::builder().set_key_value_metadata(metadata).build();
        let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))?;
        for group in reader.metadata().row_groups() {
            let mut target = writer.next_row_group()?;
            for column in group.columns() {
                let close = ColumnCloseResult {
                    bytes_written: column.compressed_size() as u64,
                    rows_written: group.num_rows() as u64,
                    metadata: column.clone(),
                    bloom_filter: None,
                    column_index: None,
                    offset_index: None,
                };
                target.append_column(&source, close)?;
            }
            let group_values: Result<Vec<f64>, Error> = (0..group.num_rows())
                .map(|_| {
                    let changed = || Err(problem(input, "has changed meanwhile"));
                    values.next().unwrap_or_else(changed)
                })
                .collect();
            let group_values = match group_values {
                Ok(values) => values,
                Err(error) => {
                    failure = Some(error);
                    return Err(ParquetError::General("the values end".to_owned()));
                }
            };
            if let Some(mut column) = target.next_column()? {
                let (values, levels) = doubles(&group_values);
                column.typed::<DoubleType>().write_batch(&values, Some(&levels), None)?;
                column.close()?;
            }
            target.close()?;
        }
        if values.next().is_some() {
            return Err(ParquetError::General(format!(
                "{} has changed meanwhile",
                input.display()
            )));
        }
        writer.close()?;
        Ok(())
    });
    failure.map_or(done, Err)
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, Error> {
    let file =
        File::open(path).map_err(|error| problem(path, format!("cannot be read: {error}")))?;
    SerializedFileReader::new(file)
        .map_err(|error| problem(path, format!("is no Parquet: {error}")))
}

/// The rows of a Parquet file, some at a time: no more than one page of each column beside them.
pub(in crate::table) struct ParquetChunks {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    /// The columns that are read.
    columns: Vec<usize>,
    chunk_rows: usize,
    /// The rows that were read.
    n_rows: usize,
    /// The row group that comes next, and what is being read of the one before.
    next_group: usize,
    group: Option<Group>,
}

struct Group {
    columns: Vec<ColumnReader>,
    n_left: usize,
}

impl ParquetChunks {
    pub fn open(path: &Path, chunk_rows: usize) -> Result<Self, Error> {
        let reader = open(path)?;
        let all = reader.metadata().file_metadata().schema_descr().columns();
        let columns: Vec<usize> = (0..all.len()).filter(|&index| is_read(&all[index])).collect();
        if columns.is_empty() {
            return Err(problem(path, "has no column of numbers or strings"));
        }
        let path = path.to_owned();
        Ok(Self { path, reader, columns, chunk_rows, n_rows: 0, next_group: 0, group: None })
    }

    fn read(&mut self) -> Result<Option<Table>, ParquetError> {
        let descriptors = self.reader.metadata().file_metadata().schema_descr_ptr();
        let descriptors: Vec<_> =
            self.columns.iter().map(|&index| &descriptors.columns()[index]).collect();
        let mut columns: Vec<Column> = descriptors
            .iter()
            .map(|column| Column {
                name: column.name().to_owned(),
                values: if is_text(column) {
                    Values::Text(Vec::new())
                } else {
                    Values::Numbers(Vec::new())
                },
            })
            .collect();
        let mut n_rows = 0;
        while n_rows < self.chunk_rows {
            let Some(group) = self.group.as_mut().filter(|group| group.n_left > 0) else {
                if self.next_group == self.reader.num_row_groups() {
                    break;
                }
                let group = self.reader.get_row_group(self.next_group)?;
                let readers = self.columns.iter().map(|&index| group.get_column_reader(index));
                let columns = readers.collect::<Result<_, _>>()?;
                let n_left = group.metadata().num_rows() as usize;
                self.group = Some(Group { columns, n_left });
                self.next_group += 1;
                continue;
            };
            let n = group.n_left.min(self.chunk_rows - n_rows);
            let targets = columns.iter_mut().zip(&mut group.columns).zip(&descriptors);
            for ((column, reader), descriptor) in targets {
                read_column(&mut column.values, reader, descriptor, n)?;
            }
            group.n_left -= n;
            n_rows += n;
        }
        if n_rows == 0 {
            return Ok(None);
        }
        let table =
            Table::new(columns).map_err(|error| ParquetError::General(error.to_string()))?;
        let first = self.n_rows as u64;
        self.n_rows += n_rows;
        let place = |row| Place { file: None, at: At::Row(row) };
        Ok(Some(table.with_places((first..self.n_rows as u64).map(place).collect())))
    }
}

impl Iterator for ParquetChunks {
    type Item = Result<Table, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().map_err(|error| problem(&self.path, error)).transpose()
    }
}

/// Whether a column is read: numbers, truth values, timestamps and strings, that are not nested.
fn is_read(column: &ColumnDescriptor) -> bool {
    let is_flat = column.max_rep_level() == 0 && column.path().parts().len() == 1;
    let is_bytes = column.physical_type() == PhysicalType::FIXED_LEN_BYTE_ARRAY;
    is_flat && (!is_bytes || is_decimal(column) || is_half(column))
}

/// The names of the columns of a file that are not read, as lists.
pub(in crate::table) fn unread_columns(path: &Path) -> Result<Vec<String>, Error> {
    let reader = open(path)?;
    let columns = reader.metadata().file_metadata().schema_descr_ptr();
    let unread = columns.columns().iter().filter(|column| !is_read(column));
    Ok(unread.map(|column| column.path().string()).collect())
}

fn is_decimal(column: &ColumnDescriptor) -> bool {
    column.converted_type() == ConvertedType::DECIMAL
}

fn is_half(column: &ColumnDescriptor) -> bool {
    column.logical_type_ref() == Some(&LogicalType::Float16)
}

/// Whether the values of a column are text.
fn is_text(column: &ColumnDescriptor) -> bool {
    column.physical_type() == PhysicalType::BYTE_ARRAY && !is_decimal(column)
}

/// A whole number of any length, the most significant byte first, in two's complement.
fn big_endian(bytes: &[u8]) -> f64 {
    let sign = if bytes.first().is_some_and(|&byte| byte >= 0x80) { -1.0 } else { 0.0 };
    bytes.iter().fold(sign, |number, &byte| number * 256.0 + f64::from(byte))
}

fn read_column(
    values: &mut Values,
    reader: &mut ColumnReader,
    descriptor: &ColumnDescriptor,
    n: usize,
) -> Result<(), ParquetError> {
    // Decimals are whole numbers of a unit.
    let units = if is_decimal(descriptor) { 10f64.powi(descriptor.type_scale()) } else { 1.0 };
    let is_unsigned = matches!(
        descriptor.converted_type(),
        ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64
    );
    let max_level = descriptor.max_def_level();
    match (values, reader) {
        (Values::Numbers(out), ColumnReader::BoolColumnReader(reader)) => {
            extend(out, reader, max_level, n, f64::NAN, |value| f64::from(u8::from(value)))
        }
        (Values::Numbers(out), ColumnReader::Int32ColumnReader(reader)) => {
            extend(out, reader, max_level, n, f64::NAN, |value| {
                let number = if is_unsigned { f64::from(value as u32) } else { f64::from(value) };
                number / units
            })
        }
        (Values::Numbers(out), ColumnReader::Int64ColumnReader(reader)) => {
            extend(out, reader, max_level, n, f64::NAN, |value| {
                let number = if is_unsigned { value as u64 as f64 } else { value as f64 };
                number / units
            })
        }
        (Values::Numbers(out), ColumnReader::FloatColumnReader(reader)) => {
            extend(out, reader, max_level, n, f64::NAN, f64::from)
        }
        (Values::Numbers(out), ColumnReader::DoubleColumnReader(reader)) => {
            extend(out, reader, max_level, n, f64::NAN, |value| value)
        }
        (Values::Numbers(out), ColumnReader::Int96ColumnReader(reader)) => {
            extend(out, reader, max_level, n, f64::NAN, |value| value.to_nanos() as f64)
        }
        (Values::Numbers(out), ColumnReader::ByteArrayColumnReader(reader)) => {
            let decimal = |value: ByteArray| big_endian(value.data()) / units;
            extend(out, reader, max_level, n, f64::NAN, decimal)
        }
        (Values::Numbers(out), ColumnReader::FixedLenByteArrayColumnReader(reader)) => {
            let number = |value: FixedLenByteArray| match value.data() {
                &[low, high] if is_half(descriptor) => f16::from_le_bytes([low, high]).to_f64(),
                bytes => big_endian(bytes) / units,
            };
            extend(out, reader, max_level, n, f64::NAN, number)
        }
        (Values::Text(out), ColumnReader::ByteArrayColumnReader(reader)) => {
            let text = |value: ByteArray| String::from_utf8_lossy(value.data()).into_owned();
            extend(out, reader, max_level, n, String::new(), text)
        }
        _ => Err(ParquetError::General(format!(
            "column `{}` is of a type that is not read",
            descriptor.name()
        ))),
    }
}

/// The next `n` values of a column, with `missing` where there is none.
fn extend<T: DataType, V: Clone>(
    out: &mut Vec<V>,
    reader: &mut ColumnReaderImpl<T>,
    max_level: i16,
    n: usize,
    missing: V,
    convert: impl Fn(T::T) -> V,
) -> Result<(), ParquetError> {
    let mut n_left = n;
    while n_left > 0 {
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let (n_read, ..) = reader.read_records(n_left, Some(&mut levels), None, &mut values)?;
        if n_read == 0 {
            let name = "a column has fewer values than its row group".to_owned();
            return Err(ParquetError::General(name));
        }
        let mut values = values.into_iter();
        for row in 0..n_read {
            // Without levels all are there.
            let is_there = levels.get(row).is_none_or(|&level| level == max_level);
            let value = if is_there { values.next().map(&convert) } else { None };
            out.push(value.unwrap_or_else(|| missing.clone()));
        }
        n_left -= n_read;
    }
    Ok(())
}
