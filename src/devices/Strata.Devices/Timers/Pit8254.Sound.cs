using Strata.Devices.Sound;

namespace Strata.Devices.Timers;

/// <content>What is heard of channel 2.</content>
public sealed partial class Pit8254
{
    private const int SpeakerChannel = 2;

    /// <summary>Hears of the speaker; null for a machine without sound.</summary>
    public SoundMixer? Sound { get; init; }

    /// <summary>Channel 2, its gate or the speaker's bit may have changed. Under _gate.</summary>
    private void DriveSpeaker()
    {
        if (Sound is { } sound)
        {
            sound.Drive(_speakerData ? _channels[SpeakerChannel].Wave(_clock.Now) : default);
        }
    }

    private sealed partial class Channel
    {
        private const int SquareWave = 3;

        /// <summary>The output from now on. Modes other than the square wave are taken for the level that they have now.</summary>
        public SpeakerWave Wave(long now) =>
            _mode == SquareWave && _loaded && Gate ? new SpeakerWave(_reload, _start, false) : new SpeakerWave(0, 0, Output(now));
    }
}
