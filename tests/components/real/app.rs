// A command of Rust's standard library: arguments, environment, standard streams, files, clocks; exits with 5.
use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs};

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    println!("arguments {:?} {:?} {:?}", words, env::var("NAME"), env::var("HOME").is_err());
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).unwrap();
    println!("input {}", input.trim().to_uppercase());
    eprintln!("an error");
    let before = Instant::now();
    std::thread::sleep(Duration::from_millis(1));
    println!("clocks {} {}", before.elapsed() >= Duration::from_millis(1), SystemTime::now() > SystemTime::UNIX_EPOCH);
    let mut map = HashMap::new(); // is seeded with randomness
    for i in 0..100 {
        map.insert(i, i * i);
    }
    println!("map {}", map.values().sum::<i32>());
    fs::create_dir_all("/folder/a/b").unwrap();
    fs::write("/folder/a/b/file", "one\ntwo\n").unwrap();
    let mut file = fs::OpenOptions::new().read(true).write(true).open("/folder/a/b/file").unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(b"three\n").unwrap();
    file.seek(SeekFrom::Start(4)).unwrap();
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    println!("rest {:?} {}", rest, file.metadata().unwrap().len());
    fs::rename("/folder/a/b/file", "/folder/a/moved").unwrap();
    let mut names: Vec<_> = fs::read_dir("/folder/a").unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    println!("names {:?}", names);
    for path in ["/none", "/folder/none", "/folder/a/moved/x", "/folder/../etc/passwd"] {
        println!("open {} {:?}", path, fs::File::open(path).map(|_| ()).map_err(|e| e.kind()));
    }
    fs::remove_dir_all("/folder/a").unwrap();
    println!("left {}", fs::read_dir("/folder").unwrap().count());
    std::process::exit(5);
}
