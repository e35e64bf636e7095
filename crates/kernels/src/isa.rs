//! The instruction sets, their names, and whether this machine has them.

use std::fmt;

/// An instruction set the kernels exist for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isa {
    /// Plain Rust: the reference, the same bits on every machine.
    Scalar,
    /// x86-64 with AVX2 and FMA, 8 lanes.
    Avx2,
    /// x86-64 with AVX-512F, 16 lanes.
    Avx512,
    /// aarch64 with Advanced SIMD, 4 lanes.
    Neon,
    /// WebAssembly with simd128, 4 lanes; decided when the module is compiled.
    Simd128,
}

impl Isa {
    /// Every instruction set, the preferred ones last.
    pub const ALL: [Isa; 5] = [Isa::Scalar, Isa::Avx2, Isa::Avx512, Isa::Neon, Isa::Simd128];

    /// The name that `TERCET_ISA` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Neon => "neon",
            Isa::Simd128 => "simd128",
        }
    }

    /// The instruction set of that name.
    pub fn from_name(name: &str) -> Option<Isa> {
        Isa::ALL.into_iter().find(|isa| isa.name() == name)
    }

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Isa::Simd128 => true,
            #[allow(
                unreachable_patterns,
                reason = "reachable on every single architecture, not on their union"
            )]
            _ => false,
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why `TERCET_ISA` was not followed; the best instruction set is used instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsaOverrideError {
    /// No instruction set has that name.
    Unknown {
        /// What the variable held.
        value: String,
    },
    /// This machine does not have it.
    Unavailable {
        /// What was asked for.
        isa: Isa,
    },
}

impl fmt::Display for IsaOverrideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IsaOverrideError::Unknown { value } => {
                write!(f, "TERCET_ISA is {value:?}, expected one of")?;
                Isa::ALL.into_iter().try_for_each(|isa| write!(f, " {isa}"))
            }
            IsaOverrideError::Unavailable { isa } => {
                write!(f, "TERCET_ISA is {isa}, which this machine does not have")
            }
        }
    }
}

impl std::error::Error for IsaOverrideError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_are_distinct() {
        for isa in Isa::ALL {
            assert_eq!(Isa::from_name(isa.name()), Some(isa));
        }
        assert_eq!(Isa::from_name("AVX2"), None);
        assert_eq!(Isa::from_name(""), None);
    }

    #[test]
    fn errors_say_what_came_and_what_was_expected() {
        let unknown = IsaOverrideError::Unknown { value: "sse9".into() }.to_string();
        assert_eq!(unknown, "TERCET_ISA is \"sse9\", expected one of scalar avx2 avx512 neon simd128");
        let missing = IsaOverrideError::Unavailable { isa: Isa::Neon }.to_string();
        assert_eq!(missing, "TERCET_ISA is neon, which this machine does not have");
    }
}
