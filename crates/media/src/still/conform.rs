//! A copy of a still picture as a provider takes it: upright, of the size asked for, PNG or JPEG.

use std::io::{BufRead, Cursor, Read, Seek, SeekFrom};

use fast_image_resize::Resizer;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader, Limits};

use seedpost_core::media::{Colour, StillInfo};
use seedpost_core::reference::fit::MAX_COPY_PIXELS;

use super::{MAX_MEMORY, cut_short, facts, translate, webp};
use crate::MediaError;
use crate::decode::guard;
use crate::probe::still_format;

/// JPEG's qualities, tried in turn.
const QUALITIES: [u8; 4] = [95, 90, 85, 75];

/// What a copy has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StillTarget {
    /// Width and height in pixels as a viewer shows it; the picture is stretched to them.
    pub size: (u32, u32),
    /// The most bytes that the copy may have.
    pub max_bytes: u64,
}

/// A copy, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StillCopy {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// `png` or `jpeg`.
    pub format: &'static str,
    /// Width and height in pixels; the copy has no orientation tag, so a viewer shows them like that.
    pub size: (u32, u32),
}

/// Makes a copy of a picture's first frame: turned upright as its Exif says, CMYK as RGB, always 8 bits a
/// channel, scaled with Lanczos3 where its size differs.
///
/// The copy is a PNG if the source is lossless (PNG, GIF, BMP, TIFF) or can be seen through, and the PNG
/// fits; else a JPEG of the best quality out of 95, 90, 85 and 75 that fits, transparent parts over white.
/// An ICC profile is kept where it describes the copy's colours too. The same source gives the same bytes.
///
/// # Errors
/// `Unsupported` for HEIC and AVIF and what is no picture, `Malformed` for a broken one, `Limit` where
/// decoding takes more than 512 MiB or where no copy is small enough.
pub fn conform<R: BufRead + Seek>(mut source: R, target: StillTarget) -> Result<StillCopy, MediaError> {
    check_target(target)?;
    let format = still_format(&mut source)?;
    let Some(kind) = kind(format) else {
        return Err(MediaError::Unsupported(
            "HEIC and AVIF are not decoded: convert it to JPEG or PNG first".to_owned(),
        ));
    };
    let info = facts(&mut source, format)?;
    if !info.copyable {
        let what = "a copy takes too much memory, or its kind of pixel or compression is not decoded";
        return Err(MediaError::Unsupported(what.to_owned()));
    }
    let bytes = load(&mut source, format)?;
    let length = bytes.len() as u64;
    guard(format, || {
        let picture = Picture::decode(bytes, kind, format, &info)?.fitted(target.size, info.orientation)?;
        let lossless = matches!(format, "png" | "gif" | "bmp" | "tiff");
        picture.encode(lossless, target.max_bytes)
    })
    .map_err(|error| cut_short(error, format, length))
}

fn check_target(target: StillTarget) -> Result<(), MediaError> {
    let pixels = u64::from(target.size.0) * u64::from(target.size.1);
    if pixels == 0 || pixels > MAX_COPY_PIXELS {
        return Err(MediaError::Limit { what: "pixels of a copy", found: pixels, allowed: MAX_COPY_PIXELS });
    }
    Ok(())
}

fn kind(format: &str) -> Option<ImageFormat> {
    Some(match format {
        "png" => ImageFormat::Png,
        "jpeg" => ImageFormat::Jpeg,
        "webp" => ImageFormat::WebP,
        "gif" => ImageFormat::Gif,
        "bmp" => ImageFormat::Bmp,
        "tiff" => ImageFormat::Tiff,
        _ => return None,
    })
}

/// Takes the file into memory, so that a decoder's errors are the file's and never the disk's.
fn load<R: BufRead + Seek>(source: &mut R, format: &str) -> Result<Vec<u8>, MediaError> {
    let length = source.seek(SeekFrom::End(0))?;
    // Behind the RIFF of a WebP lengths were not checked.
    let end = if format == "webp" { webp::end(source)? } else { length };
    source.rewind()?;
    let mut bytes = Vec::new();
    source.take(end).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A decoded picture and its colour profile.
struct Picture {
    image: DynamicImage,
    profile: Option<Vec<u8>>,
    format: &'static str,
}

impl Picture {
    fn decode(
        bytes: Vec<u8>,
        kind: ImageFormat,
        format: &'static str,
        info: &StillInfo,
    ) -> Result<Picture, MediaError> {
        let refuse = |error| match error {
            ImageError::Limits(_) => {
                let what = "bytes of memory to decode a picture";
                MediaError::Limit { what, found: MAX_MEMORY + 1, allowed: MAX_MEMORY }
            }
            other => translate(other, format),
        };
        let mut reader = ImageReader::with_format(Cursor::new(bytes), kind);
        let mut limits = Limits::default();
        limits.max_alloc = Some(MAX_MEMORY);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(refuse)?;
        // The profile of inks says nothing about the light that they are turned into.
        let inks = info.colour == Some(Colour::Cmyk);
        let profile = if inks { None } else { decoder.icc_profile().map_err(refuse)? };
        let image = DynamicImage::from_decoder(decoder).map_err(refuse)?;
        Ok(Picture { image, profile, format })
    }

    /// The picture upright and of that size, with 8 bits a channel.
    fn fitted(mut self, size: (u32, u32), orientation: u8) -> Result<Picture, MediaError> {
        // Turned last, since the smaller picture is turned sooner.
        let (width, height) = if orientation >= 5 { (size.1, size.0) } else { size };
        if (self.image.width(), self.image.height()) != (width, height) {
            let mut scaled = DynamicImage::new(width, height, self.image.color());
            Resizer::new()
                .resize(&self.image, &mut scaled, None)
                .map_err(|error| MediaError::Unsupported(format!("a picture that cannot be scaled: {error}")))?;
            self.image = scaled;
        }
        self.image = eight_bits(self.image);
        self.image.apply_orientation(Orientation::from_exif(orientation).unwrap_or(Orientation::NoTransforms));
        let space: &[u8] = if self.image.color().has_color() { b"RGB " } else { b"GRAY" };
        // A profile tells its colour space in its bytes 16 to 19 (ICC.1:2022, 7.2.6).
        self.profile = self.profile.filter(|profile| profile.get(16..20) == Some(space));
        Ok(self)
    }

    fn encode(&self, lossless: bool, max_bytes: u64) -> Result<StillCopy, MediaError> {
        let size = (self.image.width(), self.image.height());
        let fits = |bytes: &Vec<u8>| bytes.len() as u64 <= max_bytes;
        if lossless || self.image.color().has_alpha() {
            let bytes = self.png()?;
            if fits(&bytes) {
                return Ok(StillCopy { bytes, format: "png", size });
            }
        }
        let opaque = over_white(&self.image);
        let mut smallest = u64::MAX;
        for quality in QUALITIES {
            let bytes = self.jpeg(opaque.as_ref().unwrap_or(&self.image), quality)?;
            if fits(&bytes) {
                return Ok(StillCopy { bytes, format: "jpeg", size });
            }
            smallest = smallest.min(bytes.len() as u64);
        }
        Err(MediaError::Limit { what: "bytes of the smallest copy", found: smallest, allowed: max_bytes })
    }

    fn png(&self) -> Result<Vec<u8>, MediaError> {
        let mut bytes = Vec::new();
        let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
        self.write(&self.image, encoder)?;
        Ok(bytes)
    }

    fn jpeg(&self, image: &DynamicImage, quality: u8) -> Result<Vec<u8>, MediaError> {
        let mut bytes = Vec::new();
        self.write(image, JpegEncoder::new_with_quality(&mut bytes, quality))?;
        Ok(bytes)
    }

    fn write(&self, image: &DynamicImage, mut encoder: impl ImageEncoder) -> Result<(), MediaError> {
        if let Some(profile) = &self.profile {
            // An encoder without room for profiles says so, and the copy is still right.
            let _ = encoder.set_icc_profile(profile.clone());
        }
        image.write_with_encoder(encoder).map_err(|error| translate(error, self.format))
    }
}

/// The picture with 8 bits a channel, and without an alpha channel that hides nothing.
fn eight_bits(image: DynamicImage) -> DynamicImage {
    let colours = image.color();
    let image = match (colours.has_color(), colours.has_alpha()) {
        (true, true) => DynamicImage::ImageRgba8(image.into_rgba8()),
        (true, false) => DynamicImage::ImageRgb8(image.into_rgb8()),
        (false, true) => DynamicImage::ImageLumaA8(image.into_luma_alpha8()),
        (false, false) => DynamicImage::ImageLuma8(image.into_luma8()),
    };
    match image {
        DynamicImage::ImageRgba8(pixels) if pixels.pixels().all(|pixel| pixel.0[3] == u8::MAX) => {
            DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(pixels).into_rgb8())
        }
        DynamicImage::ImageLumaA8(pixels) if pixels.pixels().all(|pixel| pixel.0[1] == u8::MAX) => {
            DynamicImage::ImageLuma8(DynamicImage::ImageLumaA8(pixels).into_luma8())
        }
        other => other,
    }
}

/// The picture laid over white; `None` where nothing shows through it.
fn over_white(image: &DynamicImage) -> Option<DynamicImage> {
    let blend = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        u8::try_from((value * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX)
    };
    match image {
        DynamicImage::ImageRgba8(pixels) => {
            let (width, height) = pixels.dimensions();
            Some(DynamicImage::ImageRgb8(image::RgbImage::from_fn(width, height, |x, y| {
                let [red, green, blue, alpha] = pixels.get_pixel(x, y).0;
                image::Rgb([blend(red, alpha), blend(green, alpha), blend(blue, alpha)])
            })))
        }
        DynamicImage::ImageLumaA8(pixels) => {
            let (width, height) = pixels.dimensions();
            Some(DynamicImage::ImageLuma8(image::GrayImage::from_fn(width, height, |x, y| {
                let [grey, alpha] = pixels.get_pixel(x, y).0;
                image::Luma([blend(grey, alpha)])
            })))
        }
        _ => None,
    }
}
