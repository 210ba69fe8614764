/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two keys of a machine: each changes with what it stands for and with
 * nothing else, and both are the same when they are read again.
 */
#include "../../bench/environment/fingerprint.h"
#include "unit.h"

static struct sy_machine first, machine;

/* Which keys differ from the first's: 'h', 'e', 'b'oth or '-'. */
static char differs(void)
{
    int hardware, environment, both;

    sy_machine_hash(&machine);
    hardware = strcmp(first.hardware_key, machine.hardware_key) != 0;
    environment = strcmp(first.environment_key, machine.environment_key) != 0;
    both = strcmp(first.fingerprint, machine.fingerprint) != 0;
    CHECK_EQ(both, hardware || environment);
    machine = first;
    if (hardware && environment)
        return 'b';
    if (hardware)
        return 'h';
    return environment ? 'e' : '-';
}

static void add(char *text)
{
    text[strlen(text) + 1] = '\0';
    text[strlen(text)] = '+';
}

int main(void)
{
    struct sy_kernel_settings *s = &machine.settings;

    sy_machine_read(&first);
    CHECK_EQ(strlen(first.hardware_key), 16);
    CHECK_EQ(strlen(first.environment_key), 16);
    CHECK_EQ(strlen(first.fingerprint), 16);
    sy_machine_read(&machine);
    CHECK_EQ(differs(), '-');

    add(machine.arch);
    CHECK_EQ(differs(), 'h');
    add(machine.cpu_id);
    CHECK_EQ(differs(), 'h');
    machine.cpus++;
    CHECK_EQ(differs(), 'h');
    machine.hypervisor = !machine.hypervisor;
    CHECK_EQ(differs(), 'h');

    add(machine.kernel);
    CHECK_EQ(differs(), 'e');
    add(machine.libc);
    CHECK_EQ(differs(), 'e');
    machine.page_bytes *= 4;
    CHECK_EQ(differs(), 'e');
    machine.cpus_usable++;
    CHECK_EQ(differs(), 'e');
    add(s->governor);
    CHECK_EQ(differs(), 'e');
    strcpy(s->turbo, strcmp(s->turbo, "on") == 0 ? "off" : "on");
    CHECK_EQ(differs(), 'e');
    strcpy(s->smt, strcmp(s->smt, "on") == 0 ? "off" : "on");
    CHECK_EQ(differs(), 'e');
    add(s->isolated);
    CHECK_EQ(differs(), 'e');
    add(s->clock_source);
    CHECK_EQ(differs(), 'e');
    strcpy(s->mitigations, "made_up: Vulnerable");
    CHECK_EQ(differs(), 'e');

    machine.memory_bytes += 4096; /* the kernel takes more or less of it */
    CHECK_EQ(differs(), '-');
    return 0;
}
