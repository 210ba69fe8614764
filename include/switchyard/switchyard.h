/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that a program needs to run jobs. Authors of switchers, engines,
 * devices and workloads include their contract besides.
 */
#ifndef SWITCHYARD_SWITCHYARD_H
#define SWITCHYARD_SWITCHYARD_H

#include <switchyard/clock.h>
#include <switchyard/compiler.h>
#include <switchyard/errors.h>
#include <switchyard/job.h>
#include <switchyard/profile.h>
#include <switchyard/runtime.h>
#include <switchyard/stats.h>
#include <switchyard/version.h>
#include <switchyard/wait.h>
#include <switchyard/waker.h>

/* Last, for it gives some of the names above another meaning. */
#ifdef SY_BIND_SWITCHER
#include <switchyard/bind/bound.h>
#endif

#endif
