/** An emoji and the words by which it is found and read out. */
export type Emoji = readonly [emoji: string, name: string];

export const emojiGroups: readonly { name: string; emoji: readonly Emoji[] }[] = [
  {
    name: "Faces",
    emoji: [
      ["😀", "grinning face"], ["😃", "happy face"], ["😄", "laughing eyes"], ["😁", "beaming"], ["😅", "sweat smile"],
      ["😂", "tears of joy"], ["🤣", "rolling laughing"], ["🙂", "slight smile"], ["🙃", "upside down"], ["😉", "wink"],
      ["😊", "blush smile"], ["😇", "halo angel"], ["🥰", "hearts in love"], ["😍", "heart eyes love"], ["😘", "kiss"],
      ["😋", "yum tasty"], ["😜", "tongue wink"], ["🤪", "zany"], ["🤨", "raised eyebrow"], ["🧐", "monocle"], ["🤓", "nerd"],
      ["😎", "sunglasses cool"], ["🥳", "party"], ["😏", "smirk"], ["😒", "unamused"], ["😞", "disappointed"],
      ["😔", "pensive sad"], ["😟", "worried"], ["😕", "confused"], ["🥺", "pleading"], ["😢", "crying sad"],
      ["😭", "sobbing"], ["😤", "huffing"], ["😠", "angry"], ["😡", "rage red"], ["🤬", "cursing"], ["🤯", "mind blown"],
      ["😳", "flushed"], ["🥵", "hot"], ["🥶", "cold"], ["😱", "scream fear"], ["😨", "fearful"], ["🤗", "hug"],
      ["🤔", "thinking"], ["🤫", "hush quiet"], ["🤐", "zipped mouth"], ["😴", "sleeping"], ["😷", "mask ill"],
      ["🤒", "fever ill"], ["🤮", "sick"], ["🥱", "yawn"], ["😮", "surprised open mouth"], ["😬", "grimace"],
      ["🙄", "rolling eyes"], ["🤡", "clown"], ["👻", "ghost"], ["💀", "skull"], ["🤖", "robot"], ["👽", "alien"],
    ],
  },
  {
    name: "Hands and people",
    emoji: [
      ["👍", "thumbs up yes"], ["👎", "thumbs down no"], ["👌", "ok hand"], ["✌️", "victory peace"],
      ["🤞", "fingers crossed luck"], ["🤟", "love you hand"], ["🤘", "horns rock"], ["👈", "left"], ["👉", "right"],
      ["👆", "up"], ["👇", "down"], ["☝️", "point up"], ["✋", "raised hand stop"], ["👋", "wave hello"],
      ["🤚", "back of hand"], ["👏", "clap applause"], ["🙌", "raised hands hooray"], ["🤝", "handshake deal"],
      ["🙏", "please thanks pray"], ["💪", "strong muscle"], ["🫶", "heart hands"], ["✍️", "writing"], ["🤷", "shrug"],
      ["🤦", "facepalm"], ["🙋", "raising hand"], ["🏃", "running"], ["💃", "dancing"], ["🧑‍💻", "technologist computer"],
      ["👀", "eyes look"], ["🧠", "brain"],
    ],
  },
  {
    name: "Hearts and signs",
    emoji: [
      ["❤️", "red heart love"], ["🧡", "orange heart"], ["💛", "yellow heart"], ["💚", "green heart"], ["💙", "blue heart"],
      ["💜", "purple heart"], ["🖤", "black heart"], ["🤍", "white heart"], ["💔", "broken heart"], ["💯", "hundred"],
      ["✅", "check done"], ["❌", "cross no"], ["❓", "question"], ["❗", "exclamation"], ["⚠️", "warning"], ["🔥", "fire"],
      ["✨", "sparkles"], ["⭐", "star"], ["💥", "collision boom"], ["💤", "sleep"], ["💬", "speech"], ["🔔", "bell"],
      ["🔒", "lock"], ["🔑", "key"], ["♻️", "recycle"], ["🆗", "ok"], ["🆕", "new"],
    ],
  },
  {
    name: "Nature",
    emoji: [
      ["🐶", "dog"], ["🐱", "cat"], ["🐭", "mouse"], ["🐰", "rabbit"], ["🦊", "fox"], ["🐻", "bear"], ["🐼", "panda"],
      ["🐨", "koala"], ["🦁", "lion"], ["🐮", "cow"], ["🐷", "pig"], ["🐸", "frog"], ["🐵", "monkey"], ["🐔", "chicken"],
      ["🐧", "penguin"], ["🐦", "bird"], ["🦆", "duck"], ["🦉", "owl"], ["🐝", "bee"], ["🦋", "butterfly"], ["🐢", "turtle"],
      ["🐙", "octopus"], ["🐠", "fish"], ["🐬", "dolphin"], ["🐳", "whale"], ["🌲", "tree"], ["🌵", "cactus"], ["🌹", "rose"],
      ["🌻", "sunflower"], ["🍀", "clover luck"], ["🍂", "leaves autumn"], ["🌈", "rainbow"], ["☀️", "sun"], ["🌙", "moon"],
      ["⛅", "cloud"], ["🌧️", "rain"], ["❄️", "snow"], ["🌊", "wave sea"],
    ],
  },
  {
    name: "Food",
    emoji: [
      ["🍎", "apple"], ["🍌", "banana"], ["🍓", "strawberry"], ["🍒", "cherry"], ["🍉", "melon"], ["🥑", "avocado"],
      ["🍅", "tomato"], ["🥕", "carrot"], ["🌽", "corn"], ["🍞", "bread"], ["🧀", "cheese"], ["🥚", "egg"], ["🍔", "burger"],
      ["🍟", "fries"], ["🍕", "pizza"], ["🌮", "taco"], ["🍣", "sushi"], ["🍜", "noodles"], ["🍝", "pasta"], ["🥗", "salad"],
      ["🍰", "cake"], ["🎂", "birthday cake"], ["🍪", "cookie"], ["🍫", "chocolate"], ["🍦", "ice cream"], ["☕", "coffee"],
      ["🍵", "tea"], ["🍺", "beer"], ["🍷", "wine"], ["🥂", "cheers"],
    ],
  },
  {
    name: "Things",
    emoji: [
      ["🎉", "party hooray"], ["🎁", "gift"], ["🎈", "balloon"], ["🏆", "trophy"], ["🥇", "first medal"], ["⚽", "football"],
      ["🏀", "basketball"], ["🎮", "game"], ["🎲", "dice"], ["🎵", "music"], ["🎸", "guitar"], ["🎬", "film"],
      ["📷", "camera"], ["📱", "phone"], ["💻", "laptop"], ["⌚", "watch"], ["💡", "idea light"], ["📚", "books"],
      ["✏️", "pencil"], ["📎", "paperclip"], ["📌", "pin"], ["📅", "calendar"], ["📈", "chart up"], ["📉", "chart down"],
      ["🗑️", "bin"], ["🔧", "wrench"], ["🔨", "hammer"], ["🚗", "car"], ["🚲", "bicycle"], ["🚆", "train"], ["✈️", "plane"],
      ["🚀", "rocket"], ["⛵", "boat"], ["🏠", "house home"], ["🏖️", "beach"], ["⛰️", "mountain"], ["⏰", "alarm clock"],
      ["💰", "money"], ["🛒", "cart shopping"],
    ],
  },
];
