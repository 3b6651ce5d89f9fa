import { existsSync } from "node:fs";
import { tmpdir } from "node:os";

/** Where small files are written in microseconds: memory, where the system has a folder in it. */
export const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
