//! The allowance of a container whose log is heard: what it may say in all, and in a second.
//!
//! An agent may write as much as it likes. What passes the allowance is not heard, and a gap from there on: it must
//! fill neither the run's folder nor the history, and Docker's own copy, which is larger, must not begin anew before.

/// The part of the whole that may come in one second.
const IN_A_SECOND: u64 = 4;

/// The rest of the bytes that a container may say.
#[derive(Debug)]
pub struct Allowance {
    most: u64,
    said: u64,
    second: i32,
    said_in_second: u64,
}

impl Allowance {
    /// An allowance of so many MiB in all.
    pub fn of_mib(mib: u32) -> Allowance {
        Allowance { most: u64::from(mib) << 20, said: 0, second: 0, said_in_second: 0 }
    }

    /// Takes a piece in that came after a line of that second, since 1970.
    ///
    /// # Errors
    /// The container has said too much by now, in words.
    pub fn take(&mut self, bytes: usize, second: i32) -> Result<(), String> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if second != self.second {
            (self.second, self.said_in_second) = (second, 0);
        }
        self.said = self.said.saturating_add(bytes);
        self.said_in_second = self.said_in_second.saturating_add(bytes);
        if self.said > self.most {
            return Err(format!("it has said more than {} MiB (`limits.log_mib`)", self.most >> 20));
        }
        if self.said_in_second > self.most / IN_A_SECOND {
            let quarter = (self.most / IN_A_SECOND) >> 10;
            return Err(format!("it has said more than {quarter} KiB in a second, a quarter of `limits.log_mib`"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_may_be_said_but_not_at_once() {
        let mut slow = Allowance::of_mib(1);
        for second in 1..=8 {
            slow.take(128 << 10, second).unwrap();
        }
        assert!(slow.take(1, 9).unwrap_err().contains("more than 1 MiB"));
        let mut quick = Allowance::of_mib(1);
        quick.take(256 << 10, 1).unwrap();
        assert!(quick.take(1, 1).unwrap_err().contains("256 KiB in a second"));
    }
}
