//! Vectors as they are given: one array of components of a type, row-major.

/// The type of a component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats (IEEE 754 binary16), as their bits.
    F16,
    /// Signed bytes.
    I8,
    /// Unsigned bytes.
    U8,
    /// Bits, eight a byte, the lowest first; a vector fills whole bytes.
    Bits,
}

impl Dtype {
    /// Every type.
    pub const ALL: [Dtype; 5] = [Dtype::F32, Dtype::F16, Dtype::I8, Dtype::U8, Dtype::Bits];

    /// The name in a request and in a file.
    pub const fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::I8 => "i8",
            Dtype::U8 => "u8",
            Dtype::Bits => "bits",
        }
    }

    /// Bytes of a vector of `dims` components.
    pub const fn bytes(self, dims: usize) -> usize {
        match self {
            Dtype::F32 => dims.saturating_mul(4),
            Dtype::F16 => dims.saturating_mul(2),
            Dtype::I8 | Dtype::U8 => dims,
            Dtype::Bits => dims.div_ceil(8),
        }
    }

    /// Elements of the array that a vector of `dims` components takes.
    pub const fn elements(self, dims: usize) -> usize {
        match self {
            Dtype::Bits => dims.div_ceil(8),
            _ => dims,
        }
    }
}

/// Components of one or many vectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// The bits of 16-bit floats.
    F16(&'a [u16]),
    /// Signed bytes.
    I8(&'a [i8]),
    /// Unsigned bytes.
    U8(&'a [u8]),
    /// Bits, eight a byte, the lowest first.
    Bits(&'a [u8]),
}

impl<'a> Values<'a> {
    /// Their type.
    pub const fn dtype(&self) -> Dtype {
        match self {
            Values::F32(_) => Dtype::F32,
            Values::F16(_) => Dtype::F16,
            Values::I8(_) => Dtype::I8,
            Values::U8(_) => Dtype::U8,
            Values::Bits(_) => Dtype::Bits,
        }
    }

    /// Elements of the array.
    pub const fn len(&self) -> usize {
        match self {
            Values::F32(values) => values.len(),
            Values::F16(values) => values.len(),
            Values::I8(values) => values.len(),
            Values::U8(values) | Values::Bits(values) => values.len(),
        }
    }

    /// Whether there is no element.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The vector at a place, of vectors of `elements` elements each; `None` past the end.
    pub fn at(&self, place: usize, elements: usize) -> Option<Values<'a>> {
        let start = place.checked_mul(elements)?;
        let range = start..start.checked_add(elements)?;
        Some(match self {
            Values::F32(values) => Values::F32(values.get(range)?),
            Values::F16(values) => Values::F16(values.get(range)?),
            Values::I8(values) => Values::I8(values.get(range)?),
            Values::U8(values) => Values::U8(values.get(range)?),
            Values::Bits(values) => Values::Bits(values.get(range)?),
        })
    }

    /// The same bytes, for a file.
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Values::F32(values) => bytemuck::cast_slice(values),
            Values::F16(values) => bytemuck::cast_slice(values),
            Values::I8(values) => bytemuck::cast_slice(values),
            Values::U8(values) | Values::Bits(values) => values,
        }
    }

    /// As f32, exactly; bits as 0 and 1.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut out = Vec::new();
        self.write_f32(&mut out);
        out
    }

    /// Replaces what `out` holds by the values as f32, exactly; bits as 0 and 1.
    pub fn write_f32(&self, out: &mut Vec<f32>) {
        out.clear();
        match self {
            Values::F32(values) => out.extend_from_slice(values),
            Values::F16(values) => out.extend(values.iter().map(|&bits| f16_to_f32(bits))),
            Values::I8(values) => out.extend(values.iter().map(|&x| f32::from(x))),
            Values::U8(values) => out.extend(values.iter().map(|&x| f32::from(x))),
            Values::Bits(values) => {
                out.extend(values.iter().flat_map(|byte| (0..8).map(move |bit| f32::from(byte >> bit & 1))));
            }
        }
    }
}

/// A 16-bit float from its bits, exactly.
pub(crate) fn f16_to_f32(bits: u16) -> f32 {
    let (sign, exponent, fraction) =
        (u32::from(bits >> 15) << 31, u32::from(bits >> 10 & 31), u32::from(bits & 1023));
    let magnitude = match (exponent, fraction) {
        (31, _) => 0x7f80_0000 | fraction << 13,
        // A subnormal number is its fraction times 2^-24, which f32 holds as a normal one.
        (0, _) => (fraction as f32 * (1.0 / 16_777_216.0)).to_bits(),
        _ => (exponent + 112) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

impl<'a> From<&'a [f32]> for Values<'a> {
    fn from(values: &'a [f32]) -> Self {
        Values::F32(values)
    }
}

impl<'a> From<&'a Vec<f32>> for Values<'a> {
    fn from(values: &'a Vec<f32>) -> Self {
        Values::F32(values)
    }
}
