(module binary
  "\00asm" "\01\00\00\00"
  "\01"  ;; Type sgction id
  "\03"  ;; Type section length
  "\01"  ;; Types vector length
  "\5f"  ;; Struct
  "\01"  ;; Number of fields
  "\63"  ;;table
)