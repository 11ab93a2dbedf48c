// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/go/go_names.h"
