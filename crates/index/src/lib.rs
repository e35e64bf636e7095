//! Index kinds over borrowed sections of bytes: flat vectors, inverted lists.
