/** The version of this package; a loaded core must have the same. A test compares it with package.json. */
export const VERSION = "0.1.0";
