/* SPDX-License-Identifier: Apache-2.0 */
/* A malformed device description is refused with words that name the option
   and what it accepts, and a good one is not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/device.h>

struct spec_case {
    const char *spec;
    int err;
    const char *words[3]; /* that must stand in why */
};

static const struct spec_case cases[] = {
    {"", -ENOENT, {"no device", "sim", "workers"}},
    {"quantum", -ENOENT, {"\"quantum\"", "sim", "workers"}},
    {"Sim", -ENOENT, {"\"Sim\"", NULL}},
    {"si", -ENOENT, {"\"si\"", NULL}},
    {"sim:", -EINVAL, {"sim", "no options", NULL}},
    {"sim:servers", -EINVAL, {"servers", "1 .. 1024", NULL}},
    {"sim:stall=1s", -EINVAL, {"stall=1s", "not two times", "AT:TIME"}},
    {"sim:stall=1s:", -EINVAL, {"stall=1s:", "not two times", "AT:TIME"}},
    {"sim:stall=1s:0ns", -EINVAL, {"stall=1s:0ns", "1ns .. 3600s", NULL}},
    {"sim:stall=-1s:1s", -EINVAL, {"stall=-1s:1s", "not two times", NULL}},
    {"sim:stall=1:1", -EINVAL, {"stall=1:1", "not two times", NULL}},
    {"sim:stall=3601s:1s", -EINVAL, {"stall=3601s", "0ns .. 3600s", NULL}},
    {"sim:stall=1s:1s:1s", -EINVAL, {"stall=1s:1s:1s", "not two", NULL}},
    {"sim:servers=", -EINVAL, {"servers", "no value", "1 .. 1024"}},
    {"sim:servers=4x", -EINVAL, {"servers=4x", "not a number", "1 .. 1024"}},
    {"sim:servers=-1", -EINVAL, {"servers=-1", "not a number", "1 .. 1024"}},
    {"sim:servers=+1", -EINVAL, {"servers=+1", "not a number", "1 .. 1024"}},
    {"sim:servers= 1", -EINVAL, {"servers= 1", "not a number", "1 .. 1024"}},
    {"sim:servers=0x10", -EINVAL, {"servers=0x10", "1 .. 1024", NULL}},
    {"sim:servers=0", -EINVAL, {"servers=0", "out of range", "1 .. 1024"}},
    {"sim:servers=1025", -EINVAL, {"servers", "out of range", "1 .. 1024"}},
    {"sim:servers=2K", -EINVAL, {"servers", "out of range", "1 .. 1024"}},
    {"sim:servers=1e3", -EINVAL, {"servers", "not a number", "1 .. 1024"}},
    {"sim:servers=99999999999999999999999",
     -EINVAL,
     {"servers", "out of range", "1 .. 1024"}},
    {"sim:servers=18446744073709551615M",
     -EINVAL,
     {"servers", "out of range", "1 .. 1024"}},
    {"sim:0", -EINVAL, {"servers=0", "out of range", "1 .. 1024"}},
    {"sim:4,", -EINVAL, {"empty option", NULL}},
    {"sim:,4", -EINVAL, {"empty option", NULL}},
    {"sim:4,,queue=2", -EINVAL, {"empty option", NULL}},
    {"sim:4,8", -EINVAL, {"\"8\"", "key=value", NULL}},
    {"sim:4,servers=8", -EINVAL, {"servers", "given twice", NULL}},
    {"sim:queue=8,queue=8", -EINVAL, {"queue", "given twice", NULL}},
    {"sim:colour=red", -EINVAL, {"\"colour\"", "servers", "execute"}},
    {"sim:=4", -EINVAL, {"unknown option \"\"", "servers", NULL}},
    {"sim:queue=0", -EINVAL, {"queue=0", "1 .. 65536", NULL}},
    {"sim:queue=65537", -EINVAL, {"queue=65537", "1 .. 65536", NULL}},
    {"sim:queue=65K", -EINVAL, {"queue=65K", "1 .. 65536", NULL}},
    {"sim:batch=257", -EINVAL, {"batch=257", "1 .. 256", NULL}},
    {"sim:mode=maybe", -EINVAL, {"mode=maybe", "poll, thread", NULL}},
    {"sim:gather=5", -EINVAL, {"gather=5", "0ns .. 3600s", NULL}},
    {"sim:gather=3601s", -EINVAL, {"gather=3601s", "0ns .. 3600s", NULL}},
    {"sim:execute=1", -EINVAL, {"execute=1", "yes, no", NULL}},
    {"sim:seed=-1", -EINVAL, {"seed=-1", "not a number", NULL}},
    {"sim:service=", -EINVAL, {"service", "fixed:TIME", NULL}},
    {"sim:service=fixed", -EINVAL, {"service=fixed", "fixed:TIME", NULL}},
    {"sim:service=f:5us", -EINVAL, {"service=f:5us", "fixed:TIME", NULL}},
    {"sim:service=fixed:", -EINVAL, {"service", "not a time", "fixed:TIME"}},
    {"sim:service=fixed:50", -EINVAL, {"\"50\"", "unit", "fixed:TIME"}},
    {"sim:service=fixed:50 us", -EINVAL, {"\"50 us\"", "unit", NULL}},
    {"sim:service=fixed:50xs", -EINVAL, {"\"50xs\"", "unit", NULL}},
    {"sim:service=fixed:-1us", -EINVAL, {"\"-1us\"", "not a time", NULL}},
    {"sim:service=fixed:1e9999us", -EINVAL, {"\"1e9999us\"", "unit", NULL}},
    {"sim:service=fixed:1.5ns", -EINVAL, {"\"1.5ns\"", "not a time", NULL}},
    {"sim:service=fixed:1.us", -EINVAL, {"\"1.us\"", "not a time", NULL}},
    {"sim:service=fixed:3601s", -EINVAL, {"\"3601s\"", "out of range", NULL}},
    {"sim:service=fixed:99999999999999s",
     -EINVAL,
     {"service", "out of range", "3600s"}},
    {"sim:service=exponential:x", -EINVAL, {"\"x\"", "not a time", NULL}},
    {"sim:service=lognormal:50us", -EINVAL, {"service", "sigma", "0 .. 5"}},
    {"sim:service=lognormal:50us:", -EINVAL, {"sigma \"\"", "0 .. 5", NULL}},
    {"sim:service=lognormal:50us:x", -EINVAL, {"sigma \"x\"", "0 .. 5", NULL}},
    {"sim:service=lognormal:50us:6", -EINVAL, {"sigma \"6\"", "0 .. 5", NULL}},
    {"sim:service=lognormal:50us:1e1", -EINVAL, {"sigma", "0 .. 5", NULL}},
    {"sim:service=lognormal:50us:-1", -EINVAL, {"sigma", "0 .. 5", NULL}},
    {"sim:service=lognormal:50:1", -EINVAL, {"\"50\"", "unit", NULL}},
    {"sim:service=trace:", -EINVAL, {"service", "cannot be opened", NULL}},
    {"sim:service=trace:/nonexistent/t",
     -EINVAL,
     {"/nonexistent/t", "cannot be opened", "No such file"}},
    {"workers:0", -EINVAL, {"threads=0", "1 .. 64", NULL}},
    {"workers:65", -EINVAL, {"threads=65", "1 .. 64", NULL}},
    {"workers:2,queue=0", -EINVAL, {"queue=0", "1 .. 65536", NULL}},
    {"workers:servers=2", -EINVAL, {"\"servers\"", "threads", "queue"}},
    {"sim", 0, {NULL}},
    {"sim:1024", 0, {NULL}},
    {"sim:servers=4,service=lognormal:50us:0.3,queue=64", 0, {NULL}},
    {"sim:service=fixed:1.5us,batch=256,queue=64K", 0, {NULL}},
    {"sim:service=exponential:0.000000001s,mode=thread", 0, {NULL}},
    {"sim:mode=poll,execute=no,seed=18446744073709551615", 0, {NULL}},
    {"workers", 0, {NULL}},
    {"workers:2", 0, {NULL}},
    {"workers:threads=2,queue=1", 0, {NULL}},
};

static int check(const struct spec_case *c)
{
    struct sy_device *device = (struct sy_device *)(void *)&device;
    char why[512] = "untouched";
    int err = sy_device_open(&device, c->spec, NULL, why, sizeof(why));
    int bad = 0;

    if (err != c->err || (err != 0) != (device == NULL)) {
        printf("\"%s\": returned %d, expected %d; device %p, why \"%s\"\n",
               c->spec, err, c->err, (void *)device, why);
        bad = 1;
    }
    if (err == 0 && why[0] != '\0') {
        printf("\"%s\": why is \"%s\", expected \"\"\n", c->spec, why);
        bad = 1;
    }
    for (size_t i = 0; i < 3 && c->words[i] != NULL; i++) {
        if (strstr(why, c->words[i]) == NULL) {
            printf("\"%s\": why is \"%s\", expected \"%s\" in it\n", c->spec,
                   why, c->words[i]);
            bad = 1;
        }
    }
    sy_device_close(err == 0 ? device : NULL);

    /* The same with no room for words. */
    err = sy_device_open(&device, c->spec, NULL, NULL, 0);
    if (err != c->err) {
        printf("\"%s\" without room: returned %d, expected %d\n", c->spec, err,
               c->err);
        bad = 1;
    }
    sy_device_close(err == 0 ? device : NULL);
    return bad;
}

/* Threads cannot sleep on a clock that stands still. */
static int check_virtual(const char *spec, int expected, const char *word)
{
    struct sy_virtual_clock vc;
    struct sy_device *device;
    char why[512];
    int err;

    sy_virtual_clock_init(&vc, 0);
    err = sy_device_open(&device, spec, &vc.clock, why, sizeof(why));
    if (err != expected || strstr(why, word) == NULL) {
        printf("\"%s\", virtual clock: returned %d (\"%s\"), expected %d "
               "(\"%s\")\n",
               spec, err, why, expected, word);
        return 1;
    }
    sy_device_close(device);
    return 0;
}

int main(void)
{
    int bad = 0;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        bad += check(&cases[i]);
    bad += check_virtual("sim", 0, "");
    bad += check_virtual("sim:mode=thread", -ENOTSUP, "virtual");
    bad += check_virtual("workers", -ENOTSUP, "virtual");
    return bad != 0;
}
