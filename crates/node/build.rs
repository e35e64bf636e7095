//! Link arguments of an addon, per platform.

fn main() {
    napi_build::setup();
}
