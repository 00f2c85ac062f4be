/* Tones that can be told apart without looking. A browser makes no sound before the first key or
   tap, so that unlocks it. */

const TONES = {
  yes: { wave: "sine", notes: [[1175, 0, 0.09]] },
  again: { wave: "triangle", notes: [[587, 0, 0.1], [587, 0.16, 0.1]] },
  no: { wave: "square", notes: [[196, 0, 0.18], [147, 0.2, 0.35]] },
  undo: { wave: "sine", notes: [[784, 0, 0.08], [523, 0.09, 0.1]] },
  done: { wave: "sine", notes: [[784, 0, 0.1], [988, 0.11, 0.1], [1175, 0.22, 0.1], [1568, 0.33, 0.28]] },
};
const LOUDNESS = { sine: 0.5, triangle: 0.6, square: 0.25 };
const KEY = "tracetrack.muted";

let context = null;
let muted = localStorage.getItem(KEY) === "yes";

function unlock() {
  context ??= "AudioContext" in window ? new AudioContext() : null;
  if (context?.state === "suspended") context.resume();
}
for (const kind of ["keydown", "pointerdown"]) document.addEventListener(kind, unlock, { capture: true, passive: true });

export function isMuted() {
  return muted;
}

export function mute(on) {
  muted = on;
  localStorage.setItem(KEY, on ? "yes" : "no");
}

/** Play the tone of this name. Several at once would be noise, so the newest cuts the one before. */
let playing = null;
export function play(name) {
  const tone = TONES[name];
  if (!tone || muted || context?.state !== "running") return;
  playing?.disconnect();
  playing = context.createGain();
  playing.gain.value = LOUDNESS[tone.wave];
  playing.connect(context.destination);
  for (const [pitch, after, length] of tone.notes) {
    const start = context.currentTime + after;
    const note = new OscillatorNode(context, { type: tone.wave, frequency: pitch });
    const shape = new GainNode(context, { gain: 0 });
    shape.gain.setValueAtTime(0, start);
    shape.gain.linearRampToValueAtTime(1, start + 0.008);
    shape.gain.setValueAtTime(1, start + length - 0.02);
    shape.gain.linearRampToValueAtTime(0, start + length);
    note.connect(shape).connect(playing);
    note.start(start);
    note.stop(start + length);
  }
}
