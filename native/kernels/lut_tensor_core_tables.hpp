// The tables of one token of a LUT Tensor Core product. The reference is src/targets/lut-tensor-core/tables.ts.

/// Whether input j of a table is subtracted in the entry that a selector picks: bits 2..0 name one of the eight entries with
/// input 3 subtracted, bit 3 negates it.
struct SelectorSigns {
  alignas(64) std::uint32_t of_input[4][16];

  constexpr SelectorSigns() : of_input{} {
    for (int selector = 0; selector < 16; ++selector) {
      const bool negated = selector >= 8;
      for (int j = 0; j < 3; ++j) of_input[j][selector] = (selector >> j & 1) != negated ? 0 : 0x80000000u;
      of_input[3][selector] = negated ? 0 : 0x80000000u;
    }
  }
};

static constexpr SelectorSigns selector_signs{};

/// Sums of four inputs for every selector, added left to right.
static inline Entries selected_sums(const float* x) {
  Entries sums{};
  for (int j = 0; j < 4; ++j) {
    const Entries term = (Entries)((EntryBits)(Entries{} + x[j]) ^ *(const EntryBits*)selector_signs.of_input[j]);
    sums = j == 0 ? term : sums + term;
  }
  return sums;
}

/// The nearest 8-bit float, half to even and saturating; infinities stay.
static inline float to_float8_value(float value, int fraction, int least_exponent, float largest) {
  const float magnitude = __builtin_fabsf(value);
  if (!(magnitude <= 3.4028235e38f)) return value;
  std::uint32_t bits;
  __builtin_memcpy(&bits, &magnitude, 4);
  int exponent = (int)(bits >> 23) - 127;
  if (exponent < least_exponent) exponent = least_exponent;
  bits = (std::uint32_t)(exponent - fraction + 127) << 23;
  float step;
  __builtin_memcpy(&step, &bits, 4);
  const float magic = 12582912.0f;  // 1.5 · 2^23: the addition rounds half to even
  const float rounded = ((magnitude / step + magic) - magic) * step;
  return __builtin_copysignf(rounded < largest ? rounded : largest, value);
}

static void lut_tensor_core_round(const float* x, std::size_t columns, LutInput format, float* out) {
  std::size_t i = 0;
#if defined(__F16C__)
  for (; format == LutInput::float16 && i + 8 <= columns; i += 8) {
    const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(halves));
  }
#endif
  for (; i < columns; ++i) {
    out[i] = format == LutInput::float16 ? __builtin_copysignf(to_float16_value(x[i]), x[i])
             : format == LutInput::e4m3  ? to_float8_value(x[i], 3, -6, 448.0f)
                                         : to_float8_value(x[i], 2, -14, 57344.0f);
  }
}

/// Integer codes, as float32, and the factor that made them.
static float lut_tensor_core_quantize(const float* x, std::size_t columns, float largest_code, float* codes) {
  float largest = 1e-5f;
  for (std::size_t i = 0; i < columns; ++i) {
    const float magnitude = __builtin_fabsf(x[i]);
    // NaN is taken and never given up again, so that the factor tells of it.
    largest = magnitude > largest || magnitude != magnitude ? magnitude : largest;
  }
  const float scale = largest_code / largest;
  for (std::size_t i = 0; i < columns; ++i) {
    const float magic = 12582912.0f;
    const float rounded = (x[i] * scale + magic) - magic;
    const float high = rounded < largest_code ? rounded : largest_code;
    codes[i] = high > -largest_code - 1 ? high : -largest_code - 1;
  }
  return scale;
}

/// The unit of INT8 entries of at most `most`, and its reciprocal.
static inline void lut_tensor_core_unit(float most, bool power_of_two, float* scale, float* unit) {
  if (power_of_two && most > 0 && most <= 3.4028235e38f) {
    std::uint32_t bits;
    __builtin_memcpy(&bits, &most, 4);
    // most = m · 2^e with 1 ≤ m < 2: 127 · 2^(e − 6) is 1.984375 · 2^e.
    const bool above = (bits & 0x7fffffu) > 0x7e0000u;
    bits = (bits & 0xff800000u) - ((above ? 5u : 6u) << 23);
    __builtin_memcpy(scale, &bits, 4);
    *unit = 1.0f / *scale;
    return;
  }
  *scale = most / 127.0f;
  *unit = most == 0 ? 0.0f : 127.0f / most;
}

/// INT8 entries of rounded inputs, with a scale for every `table_group` of them.
static void lut_tensor_core_rounded_entries(const LutTensorCore& w, const float* x, std::int8_t* entries, float* scales) {
  for (std::size_t run = 0; run < w.columns / w.table_group; ++run, x += w.table_group) {
    float most = 0;
    for (std::size_t i = 0; i < w.table_group; i += 4) {
      // The largest entry: all four terms of one sign.
      const float sum = ((__builtin_fabsf(x[i]) + __builtin_fabsf(x[i + 1])) + __builtin_fabsf(x[i + 2])) + __builtin_fabsf(x[i + 3]);
      most = sum > most || sum != sum ? sum : most;
    }
    float unit;
    lut_tensor_core_unit(most, w.power_of_two, scales + run, &unit);
    for (std::size_t i = 0; i < w.table_group; i += 4, entries += 16) {
      const Entries magic = Entries{} + 12582912.0f;
      const Entries rounded = (selected_sums(x + i) * unit + magic) - magic;
      const EntryCodes bytes = __builtin_convertvector(__builtin_convertvector(rounded, EntryBits), EntryCodes);
      __builtin_memcpy(entries, &bytes, 16);
    }
  }
}

/// Exact entries of integer inputs as bytes of rising weight, each in a plane of its own.
static void lut_tensor_core_exact_entries(const LutTensorCore& w, const float* x, std::int8_t* entries) {
  for (std::size_t i = 0; i < w.columns; i += 4, entries += 16) {
    EntryBits sums = __builtin_convertvector(selected_sums(x + i), EntryBits);
    for (int byte = 0; byte < w.entry_bytes; ++byte, sums >>= 8) {
      const EntryCodes codes = __builtin_convertvector(sums, EntryCodes);
      __builtin_memcpy(entries + byte * w.entry_stride(), &codes, 16);
    }
  }
}

/// Tables of one token.
static void lut_tensor_core_tables(const LutTensorCore& w, const float* input, const LutTables& tables) {
  auto* x = (float*)allocate(w.columns * sizeof(float));
  if (w.exact()) {
    const float scale = lut_tensor_core_quantize(input, w.columns, w.input == LutInput::int8 ? 127.0f : 32767.0f, x);
    *tables.token_units = 1.0f / scale;
    lut_tensor_core_exact_entries(w, x, tables.entries);
  } else {
    lut_tensor_core_round(input, w.columns, w.input, x);
    lut_tensor_core_rounded_entries(w, x, tables.entries, tables.scales);
  }
  for (std::size_t group = 0, i = 0; group < w.columns / w.group; ++group) {
    float sum = 0;
    std::int32_t exact_sum = 0;
    for (const std::size_t end = i + w.group; i < end; i += 4) {
      const float four = ((x[i] + x[i + 1]) + x[i + 2]) + x[i + 3];
      if (w.exact()) {
        exact_sum += four == four ? (std::int32_t)four : 0;
      } else {
        sum += four;
      }
    }
    if (w.exact()) {
      tables.exact_sums[group] = exact_sum;
    } else {
      tables.sums[group] = sum;
    }
  }
  release(x);
}
