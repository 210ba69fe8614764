/* SPDX-License-Identifier: Apache-2.0 */
/* Every body and what it varies over. No include guard: included to declare
   the bodies and to make the table. */

/* start_finish.c */
SY_BODY(finish_gives_result, SWITCHER)
SY_BODY(result_may_be_null, SWITCHER)
SY_BODY(handle_is_set_before_fn_runs, SWITCHER)
SY_BODY(current_job, SWITCHER)
SY_BODY(user_pointer, SWITCHER)
SY_BODY(start_refuses_bad_specs, NEITHER)

/* pause_resume.c */
SY_BODY(pause_1000_times, BOTH)
SY_BODY(prefetch_is_only_a_hint, SWITCHER)
SY_BODY(result_untouched_while_paused, SWITCHER)
SY_BODY(pause_outside_a_job, SWITCHER)
SY_BODY(resume_refuses_null, NEITHER)
SY_BODY(resume_running_job_is_busy, SWITCHER)
SY_BODY(interleaved_jobs_keep_their_locals, SWITCHER)

/* pause_under_frames.c */
SY_BODY(pause_under_100_frames, SWITCHER)
SY_BODY(frames_of_unknown_size_are_kept, SWITCHER)

/* arguments.c */
SY_BODY(arguments_are_copied, SWITCHER)
SY_BODY(zero_bytes_hand_over_the_pointer, SWITCHER)

/* nested_jobs.c */
SY_BODY(nested_three_deep, BOTH)
SY_BODY(resume_ancestor_is_busy, SWITCHER)
SY_BODY(job_pauses_to_its_last_resumer, SWITCHER)
SY_BODY(run_inside_a_job, BOTH)

/* block_pause.c */
SY_BODY(block_pause_nests, SWITCHER)
SY_BODY(block_ends_with_its_job, SWITCHER)
SY_BODY(unbalanced_unblock_changes_nothing, SWITCHER)
SY_BODY(blocked_job_waits_here, BOTH)

/* cannot_pause.c */
SY_BODY(job_that_cannot_pause_waits_here, BOTH)

/* wait_here_outside.c */
SY_BODY(wait_here_outside_a_job, ENGINE)
SY_BODY(wait_here_times_out, ENGINE)
SY_BODY(wait_here_leaves_other_jobs_ready, BOTH)

/* errno_per_job.c */
SY_BODY(errno_is_kept_per_job, SWITCHER)

/* job_cancel.c */
SY_BODY(cancel_a_paused_job, BOTH)
SY_BODY(cancel_before_the_pause, SWITCHER)
SY_BODY(cancel_twice_is_once, SWITCHER)
SY_BODY(cancel_after_the_end, SWITCHER)

/* job_abandon.c */
SY_BODY(abandon_a_paused_job, BOTH)
SY_BODY(abandon_an_uncollected_job, BOTH)
SY_BODY(abandon_refuses_running_jobs, SWITCHER)
SY_BODY(abandoned_slot_is_reused, BOTH)

/* deferred.c */
SY_BODY(deferred_run_newest_first, SWITCHER)
SY_BODY(deferred_run_at_abandon, SWITCHER)
SY_BODY(deferred_run_on_the_stack_of_their_job, SWITCHER)
SY_BODY(defer_refuses, NEITHER)

/* pinned_jobs.c */
SY_BODY(pinned_job_is_completed, BOTH)
SY_BODY(abandoned_pinned_job_is_quarantined, BOTH)
SY_BODY(completion_after_the_end_carries_writes, BOTH)
SY_BODY(runtime_is_pinned_outside_a_job, ENGINE)

/* done_callback.c */
SY_BODY(done_runs_after_the_stack_was_left, BOTH)
SY_BODY(done_may_start_jobs, BOTH)
SY_BODY(waker_made_in_done_ends_with_it, SWITCHER)
SY_BODY(result_is_collected_without_done, BOTH)

/* pool_limits.c */
SY_BODY(jobs_max_is_a_limit, SWITCHER)
SY_BODY(no_limit_without_jobs_max, NEITHER)

/* pool_trimmed.c */
SY_BODY(trimmed_pool_serves_on, SWITCHER)

/* wakes.c */
SY_BODY(wake_before_the_pause, BOTH)
SY_BODY(wake_after_the_end, BOTH)
SY_BODY(wakes_merge, BOTH)
SY_BODY(wake_from_another_thread, BOTH)
SY_BODY(wake_of_an_older_job_is_ignored, BOTH)
SY_BODY(wake_nobody, NEITHER)
SY_BODY(resume_clears_the_permit, ENGINE)

/* wake_visibility.c */
SY_BODY(wake_before_the_pause_carries_writes, BOTH)
SY_BODY(merged_wakes_carry_writes, BOTH)
SY_BODY(wake_after_a_resume_carries_writes, BOTH)
SY_BODY(every_wake_carries_writes, ENGINE)

/* run_ready.c */
SY_BODY(run_counts_what_it_resumed, BOTH)
SY_BODY(run_honours_its_timeout, ENGINE)
SY_BODY(run_forever_until_a_wake, ENGINE)
SY_BODY(runtime_waker_ends_the_wait, ENGINE)
SY_BODY(self_waking_job_starves_nobody, BOTH)

/* foreign_poll.c */
SY_BODY(fd_wakes_poll, ENGINE)
SY_BODY(fd_wakes_epoll_level, ENGINE)
SY_BODY(fd_wakes_epoll_edge, ENGINE)
SY_BODY(foreign_loop_of_100_jobs, BOTH)

/* signal_wakes.c */
SY_BODY(signal_does_not_end_the_wait, ENGINE)
SY_BODY(wake_in_a_signal_handler, ENGINE)

/* wrong_thread.c */
SY_BODY(wrong_thread_is_refused, BOTH)

/* thread_exit.c */
SY_BODY(thread_exit_abandons_its_jobs, BOTH)
SY_BODY(wake_after_thread_exit, BOTH)
SY_BODY(wake_after_a_thread_ended_inside_a_job, BOTH)

/* fork_process.c */
SY_BODY(fork_before_the_first_job, BOTH)
SY_BODY(fork_with_paused_jobs, BOTH)
SY_BODY(fork_inside_a_job, BOTH)
SY_BODY(fork_in_a_job_that_ends_in_the_child, BOTH)
SY_BODY(done_in_the_child_starts_jobs, SWITCHER)
SY_BODY(fork_with_ready_jobs, SWITCHER)

/* close_runtime.c */
SY_BODY(close_with_jobs_is_busy, SWITCHER)
SY_BODY(close_inside_its_job_is_busy, SWITCHER)
SY_BODY(open_and_close_repeatedly, BOTH)

/* two_runtimes.c */
SY_BODY(two_runtimes_nested_in_each_other, BOTH)

/* many_jobs.c */
SY_BODY(in_flight_1000, BOTH)
SY_BODY(in_flight_10000, BOTH)

/* run_on_virtual_clock.c */
SY_BODY(virtual_clock_moves_by_the_timeout, ENGINE)
SY_BODY(virtual_clock_does_not_block, ENGINE)

/* config_errors.c */
SY_BODY(config_is_checked, NEITHER)
SY_BODY(unknown_names_are_refused, NEITHER)

/* wait_of_a_job.c */
SY_BODY(resume_begins_a_window_of_changes, SWITCHER)
SY_BODY(wait_context_serves_one_job, SWITCHER)
SY_BODY(job_holds_its_wait_context, SWITCHER)

/* runtime_counters.c */
SY_BODY(stats_count, BOTH)
SY_BODY(stats_refuse_unknown_sizes, NEITHER)
