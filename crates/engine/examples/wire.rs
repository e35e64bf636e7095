//! Writes the wire types as TypeScript to standard output. `npm run generate` keeps them in packages/tercet/src/wire.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(tercet_engine::wire::typescript().as_bytes())
}
