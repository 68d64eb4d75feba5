//! Until when something is supported, held against a day.

use jiff::civil::Date;

/// How many days before its end support is said to end soon.
pub const SOON_DAYS: i32 = 60;

/// How a day stands to the end of support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It ends later than in [`SOON_DAYS`], or nobody has said when.
    Good,
    /// It ends within [`SOON_DAYS`], on this day.
    EndsSoon(Date),
    /// It has ended on this day.
    Ended(Date),
}

impl Support {
    /// How `today` stands to a last day of support; on that day it is still supported.
    #[must_use]
    pub fn on(today: Date, last_day: Option<Date>) -> Self {
        let Some(end) = last_day else { return Self::Good };
        match (end - today).get_days() {
            left if left < 0 => Self::Ended(end),
            left if left <= SOON_DAYS => Self::EndsSoon(end),
            _ => Self::Good,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_last_day_is_a_day_of_support_and_sixty_days_are_soon() {
        let end = date(2026, 11, 30);
        for (today, expected) in [
            (date(2026, 9, 30), Support::Good),
            (date(2026, 10, 1), Support::EndsSoon(end)),
            (date(2026, 11, 30), Support::EndsSoon(end)),
            (date(2026, 12, 1), Support::Ended(end)),
            (date(2030, 1, 1), Support::Ended(end)),
        ] {
            assert_eq!(Support::on(today, Some(end)), expected, "{today}");
        }
        assert_eq!(Support::on(end, None), Support::Good);
    }
}
