//! Decompression of debug sections (SHF_COMPRESSED, `.zdebug_`). A section header tells how long the contents are; they are only that long
//! if as many come out, so memory follows what comes out.

use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status};
use object::{CompressedData, CompressionFormat};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

/// First guess at how many times longer the contents are; more of it comes as it is needed.
const RATIO: usize = 6;

/// The contents of a section, which must be as long as its header says.
///
/// # Errors
/// Damaged contents, other lengths, unknown methods: a text that says so.
pub fn decompress(section: &CompressedData<'_>) -> Result<Vec<u8>, String> {
    let size = usize::try_from(section.uncompressed_size).map_err(|_| "it is larger than memory".to_string())?;
    let bytes = match section.format {
        CompressionFormat::Zlib => zlib(section.data, size),
        CompressionFormat::Zstandard => zstd(section.data, size),
        _ => return Err("the method of its compression is unknown".into()),
    };
    bytes.filter(|bytes| bytes.len() == size).ok_or_else(|| {
        format!("it is damaged: {} bytes do not decompress to the {size} that its header tells of", section.data.len())
    })
}

/// None if it is damaged, or longer than `size`.
fn zlib(data: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(first_capacity(data, size));
    let mut decoder = Decompress::new(true);
    loop {
        let rest = data.get(usize::try_from(decoder.total_in()).ok()?..)?;
        let before = (decoder.total_in(), out.len());
        let status = decoder.decompress_vec(rest, &mut out, FlushDecompress::None).ok()?;
        match status {
            Status::StreamEnd => return Some(out),
            Status::Ok | Status::BufError => {
                let is_full = out.len() == out.capacity();
                // Neither step forward: the data is cut short.
                if out.len() >= size || (!is_full && (decoder.total_in(), out.len()) == before) {
                    return None;
                }
                if is_full {
                    out.reserve_exact(out.len().max(1 << 12).min(size - out.len()));
                }
            }
        }
    }
}

/// None if it is damaged; what is longer than `size` is cut.
fn zstd(mut data: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(first_capacity(data, size));
    while !data.is_empty() {
        match StreamingDecoder::new(&mut data) {
            // One byte more tells that it is too long.
            Ok(decoder) => {
                _ = decoder.take(((size - out.len()) as u64).saturating_add(1)).read_to_end(&mut out).ok()?
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                data = data.get(usize::try_from(length).ok()?..)?;
            }
            Err(_) => return None,
        }
        if out.len() > size {
            return None;
        }
    }
    Some(out)
}

fn first_capacity(data: &[u8], size: usize) -> usize {
    data.len().saturating_mul(RATIO).min(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::ZlibEncoder};
    use std::io::Write;

    fn section(format: CompressionFormat, data: &[u8], size: u64) -> Result<Vec<u8>, String> {
        decompress(&CompressedData { format, data, uncompressed_size: size })
    }

    fn compressed(contents: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(contents).unwrap();
        encoder.finish().unwrap()
    }

    /// A zstd frame of raw blocks (RFC 8878): no checksum, no size, the least window.
    fn raw_zstd(contents: &[u8]) -> Vec<u8> {
        let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0];
        let blocks: Vec<_> = contents.chunks(1000).collect();
        for (i, block) in blocks.iter().enumerate() {
            let head = (block.len() as u32) << 3 | u32::from(i + 1 == blocks.len());
            out.extend(&head.to_le_bytes()[..3]);
            out.extend(*block);
        }
        out
    }

    #[test]
    fn contents_come_back_and_must_have_their_length() {
        for contents in [vec![7; 100_000], (0..20_000u32).map(|n| ((n * n) >> 7) as u8).collect(), vec![1]] {
            let size = contents.len() as u64;
            for (format, data) in [
                (CompressionFormat::Zlib, compressed(&contents)),
                (CompressionFormat::Zstandard, raw_zstd(&contents)),
                (
                    CompressionFormat::Zstandard,
                    [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9][..], &raw_zstd(&contents)].concat(),
                ),
            ] {
                assert!(section(format, &data, size).unwrap() == contents);
                for wrong in [0, size - 1, size + 1, u64::MAX] {
                    assert!(section(format, &data, wrong).is_err(), "{format:?}: {wrong} bytes instead of {size}");
                }
                for cut in [0, 1, data.len() / 2, data.len() - 1] {
                    assert!(section(format, &data[..cut], size).is_err(), "{format:?}: cut after {cut}");
                }
            }
        }
    }

    #[test]
    fn a_size_is_not_believed() {
        let data = compressed(&[0; 1000]);
        let error = section(CompressionFormat::Zlib, &data, 1 << 62).unwrap_err();
        assert_eq!(
            error,
            format!(
                "it is damaged: {} bytes do not decompress to the {} that its header tells of",
                data.len(),
                1u64 << 62
            )
        );
        assert!(zlib(&data, 1 << 62).unwrap().capacity() < 10_000);
    }
}
