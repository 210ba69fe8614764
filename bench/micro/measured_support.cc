/* SPDX-License-Identifier: Apache-2.0 */
#include "scenario.h"
#include <cstdio>
#include <cstdlib>

void measured::wrong_result(const char *what)
{
    std::fprintf(stderr, "wrong result: %s\n", what);
    std::exit(1);
}

uint64_t measured::memory_available_bytes()
{
    std::FILE *file = std::fopen("/proc/meminfo", "r");
    unsigned long long kib = 0;
    char line[256];

    if (file == nullptr)
        return 0;
    while (std::fgets(line, sizeof(line), file) != nullptr) {
        if (std::sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            break;
    }
    std::fclose(file);
    return kib * 1024;
}
