namespace Strata.Verification;

/// <summary>Runs work on a thread with room for the interpreter's chains of handlers that are not compiled to tail calls yet.</summary>
internal static class LargeStack
{
    private const int StackSize = 16 << 20;

    public static Task<T> RunAsync<T>(Func<T> work)
    {
        TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Thread thread = new(
            () =>
            {
                try
                {
                    done.SetResult(work());
                }
#pragma warning disable CA1031 // The task carries every exception to whoever awaits it.
                catch (Exception error)
#pragma warning restore CA1031
                {
                    done.SetException(error);
                }
            },
            StackSize)
        {
            IsBackground = true,
            Name = "strata-verify",
        };
        thread.Start();
        return done.Task;
    }
}
