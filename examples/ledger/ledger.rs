//! Reads transfers ("from to amount", one a line) from standard input, keeps balances, and writes a
//! report into a granted directory:
//!
//!   berth run --dir ./out::/out ledger.wasm /out/report.txt < transfers.txt

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: ledger REPORT")?;
    let mut balances: BTreeMap<String, i64> = BTreeMap::new();
    for (number, line) in io::stdin().lock().lines().enumerate() {
        let line = line?;
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [] => continue,
            [from, to, amount] => {
                let amount: i64 = amount.parse()?;
                *balances.entry(from.to_string()).or_default() -= amount;
                *balances.entry(to.to_string()).or_default() += amount;
            }
            _ => println!("line {}: not a transfer: {:?}", number + 1, line),
        }
    }
    let mut report = fs::File::create(&path)?;
    for (account, balance) in &balances {
        writeln!(report, "{:>8} {}", balance, account)?;
    }
    drop(report);
    print!("{}", fs::read_to_string(&path)?);
    println!("sum {}", balances.values().sum::<i64>());
    if fs::metadata("/etc/passwd").is_ok() {
        println!("a file outside the grant is visible");
    }
    Ok(())
}
