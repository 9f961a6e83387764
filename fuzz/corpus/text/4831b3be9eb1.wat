(module binary
  "\00asm" "\01\00\00\00"
  "\01\07\01\60\02\7f\7f\01\7f"                 ;; function section
  "\09\0a\01\06\61\64\64\54\77\6f\\0000"       ;; ex"  ;; custom section
)