/** Element types of the safetensors format, by the names its headers use, with their size in bytes. */
export const dtypeBytes = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

export type Dtype = keyof typeof dtypeBytes;

/** The dtypes that a weight may have: all of them widen to float32 without loss. */
export const floatDtypes = ["F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"] as const;

export type FloatDtype = (typeof floatDtypes)[number];

export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(dtypeBytes, name);
}

export function isFloatDtype(dtype: Dtype): dtype is FloatDtype {
  return (floatDtypes as readonly string[]).includes(dtype);
}
