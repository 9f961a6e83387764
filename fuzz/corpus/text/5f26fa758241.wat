(module binary
  ;;t8
)