(module
  (import (eqr)