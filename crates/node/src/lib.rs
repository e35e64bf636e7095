//! The N-API binding: converts, schedules, maps errors.
