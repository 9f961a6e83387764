;; A program of the first snapshot: prints "old\n", then sleeps by the layout of that snapshot, seeks with its
;; numbering, and exits with 5 when all is as it should be.
(module
  (import "wasi_unstable" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_filestat_get" (func $fd_filestat_get (param i32 i32) (result i32)))
  (import "wasi_unstable" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\04\00\00\00old\n")
  (data (i32.const 32) "file")
  (func $check (param i32) (if (i32.eqz (local.get 0)) (then (call $proc_exit (i32.const 1)))))
  (func (export "_start")
    (call $check (i32.eqz (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))))
    ;; "file" holds 7 bytes
    (call $check (i32.eqz (call $path_open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 4) (i32.const 0)
      (i64.const -65) (i64.const 0) (i32.const 0) (i32.const 48))))
    (call $check (i32.eqz (call $fd_seek (i32.load (i32.const 48)) (i64.const -2) (i32.const 1) (i32.const 64))))
    (call $check (i64.eq (i64.load (i32.const 64)) (i64.const 5)))
    (call $check (i32.eqz (call $fd_filestat_get (i32.load (i32.const 48)) (i32.const 128))))
    (call $check (i32.eq (i32.load (i32.const 148)) (i32.const 1)))
    (call $check (i64.eq (i64.load (i32.const 152)) (i64.const 7)))
    ;; userdata 9, a clock: identifier, monotonic, 5 ms
    (i64.store (i32.const 256) (i64.const 9))
    (i32.store (i32.const 280) (i32.const 1))
    (i64.store (i32.const 288) (i64.const 5000000))
    (call $check (i32.eqz (call $poll_oneoff (i32.const 256) (i32.const 512) (i32.const 1) (i32.const 64))))
    (call $check (i64.eq (i64.load (i32.const 512)) (i64.const 9)))
    (call $check (i32.eqz (i32.load16_u (i32.const 520))))
    (call $proc_exit (i32.const 5))))
