(module binary
  "\00asm" "\01\00\00\00"
  "\00\04\01\60\00\00"     ;; Type section
  "\03\02\01\00"           ;; Function s[ection
  "\0a\0a\01"      ;; Code section

  ;; function 0
  "\08\02"
  "\02\7f"                 ;; 0 i32
  "\00\7e"                 ;; 0 i64
  "\02\7d"                 ;; 2 f32
  "\0b"                    ;; end
)