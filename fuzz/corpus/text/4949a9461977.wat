(module definition
  (import "test" "unknown" (func))
  (memory i32 0x9_0000_0000_0000 (pagesize 32768)))