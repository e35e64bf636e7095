//! Which instruction sets run here: what the CPU says it has must have been tested, and the override must be followed.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::process::Command;

use tercet_kernels::{Isa, available, isa_override_error, kernels, kernels_for, variants_for};

/// What the machine has, asked as independently of the crate as can be: on Linux by the kernel's own list.
fn listed(flag: &str) -> bool {
    std::fs::read_to_string("/proc/cpuinfo")
        .is_ok_and(|text| text.split_whitespace().any(|word| word == flag))
}

fn machine_has(isa: Isa) -> bool {
    let compiled_for = |architecture: &str| std::env::consts::ARCH == architecture;
    match isa {
        Isa::Scalar => true,
        Isa::Avx2 => compiled_for("x86_64") && listed("avx2") && listed("fma"),
        Isa::Avx512 => compiled_for("x86_64") && listed("avx512f"),
        Isa::Neon => compiled_for("aarch64"),
        Isa::Simd128 => compiled_for("wasm32"),
    }
}

#[test]
fn every_instruction_set_of_the_machine_has_kernels() {
    for isa in Isa::ALL {
        let tested = kernels_for(isa).is_some();
        println!("{isa}: {}", if tested { "tested" } else { "not on this machine" });
        assert!(tested || !machine_has(isa), "the CPU has {isa} and nothing here tests it");
        assert_eq!(tested, available().contains(&isa));
        assert_eq!(tested, isa.is_available());
        assert!(kernels_for(isa).is_none_or(|kernels| kernels.isa == isa));
    }
}

/// The kernels on codes say what they use; each choice that the CPU offers beside an instruction set is among them, so
/// that the suites run it, and the best of them is what is used.
#[test]
fn every_choice_beside_an_instruction_set_is_tested() {
    for (isa, flag, name) in [
        (Isa::Avx2, "avx2", "avx2"),
        (Isa::Avx2, "avx_vnni", "avxvnni"),
        (Isa::Avx512, "avx512f", "avx2"),
        (Isa::Avx512, "avx512bw", "avx512bw"),
        (Isa::Avx512, "avx512_vnni", "avx512vnni"),
    ] {
        let names: Vec<_> = variants_for(isa).iter().map(|kernels| kernels.u8().name).collect();
        let tested = names.contains(&name);
        println!("{name} for {isa}: {}", if tested { "tested" } else { "not on this machine" });
        assert!(tested || !machine_has(isa) || !listed(flag), "the CPU has {flag} and nothing here tests it");
        assert_eq!(names.last().copied(), kernels_for(isa).map(|kernels| kernels.u8().name));
    }
}

const EXPECTED: &str = "TERCET_TEST_EXPECTED";

/// Says what this process resolved; run by the next test with the variable set.
#[test]
fn resolves_what_is_expected() {
    if let Ok(expected) = std::env::var(EXPECTED) {
        let error = isa_override_error().map(ToString::to_string).unwrap_or_default();
        assert_eq!(format!("{}|{error}", kernels().isa), expected);
    }
}

#[test]
fn the_environment_variable_forces_an_instruction_set() {
    let best = *available().last().unwrap();
    let unknown = "TERCET_ISA is \"mmx\", expected one of scalar avx2 avx512 neon simd128";
    let cases = available().into_iter().map(|isa| (isa.name(), format!("{isa}|")));
    for (value, expected) in cases.chain([("", format!("{best}|")), ("mmx", format!("{best}|{unknown}"))]) {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "resolves_what_is_expected"])
            .env("TERCET_ISA", value)
            .env(EXPECTED, &expected)
            .output()
            .unwrap();
        assert!(child.status.success(), "{value}: {}", String::from_utf8_lossy(&child.stdout));
    }
}
